# Compiler and linker flags that every target of ours shares.
add_library(kitbag_flags INTERFACE)
target_compile_options(kitbag_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
  -Wformat=2 -Wundef)
target_compile_definitions(kitbag_flags INTERFACE _GNU_SOURCE KITBAG_VERSION="${PROJECT_VERSION}")
target_include_directories(kitbag_flags INTERFACE ${CMAKE_SOURCE_DIR})

option(KITBAG_WERROR "Turn warnings into errors" OFF)
if(KITBAG_WERROR)
  target_compile_options(kitbag_flags INTERFACE -Werror)
endif()

set(KITBAG_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")
if(KITBAG_SANITIZE)
  target_compile_options(kitbag_flags INTERFACE -fsanitize=${KITBAG_SANITIZE}
    -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(kitbag_flags INTERFACE -fsanitize=${KITBAG_SANITIZE})
else()
  target_compile_options(kitbag_flags INTERFACE
    $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3> -fstack-protector-strong -fcf-protection)
endif()
option(KITBAG_FUZZ "Instrument for libFuzzer, and build tests/fuzz as its targets (clang)" OFF)
if(KITBAG_FUZZ)
  target_compile_options(kitbag_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
target_link_options(kitbag_flags INTERFACE -Wl,-z,relro,-z,now)

# Programs are optimised over all files at once, which saves up to a tenth of the server's work; tests
# replace functions of single files and are linked as ever.
option(KITBAG_LTO "Optimise programs when they are linked (GCC)" OFF)
if(KITBAG_LTO AND CMAKE_C_COMPILER_ID STREQUAL "GNU" AND NOT KITBAG_SANITIZE)
  target_compile_options(kitbag_flags INTERFACE -flto -ffat-lto-objects)
  target_link_options(kitbag_flags INTERFACE
    $<IF:$<BOOL:$<TARGET_PROPERTY:KITBAG_LINKS_WITH_LTO>>,-flto=auto,-fno-lto>)
endif()
