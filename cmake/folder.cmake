# kitbag_folder(NAME LIBRARIES...): the static library kitbag_NAME from the sources in NAME/ and
# the folders in it.
# A source named main_PROGRAM.c holds the main function of PROGRAM and is no part of the library.
# Headers in NAME/include/ are public: whoever links the library finds them as <header.h>.
function(kitbag_folder name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.c
    ${CMAKE_SOURCE_DIR}/${name}/*/*.c)
  list(FILTER sources EXCLUDE REGEX "/main_[a-z]+\\.c$")
  if(NOT sources)
    add_library(kitbag_${name} INTERFACE)
    set(scope INTERFACE)
  else()
    add_library(kitbag_${name} STATIC ${sources})
    set(scope PUBLIC)
  endif()
  target_link_libraries(kitbag_${name} ${scope} kitbag_flags ${ARGN})
  if(EXISTS ${CMAKE_SOURCE_DIR}/${name}/include)
    target_include_directories(kitbag_${name} ${scope} ${CMAKE_SOURCE_DIR}/${name}/include)
  endif()
endfunction()

# What a person runs, without the tests.
add_custom_target(programs)

# kitbag_program(PROGRAM FOLDER LIBRARIES...): FOLDER/main_PROGRAM.c linked as PROGRAM.
function(kitbag_program program folder)
  set(main ${CMAKE_SOURCE_DIR}/${folder}/main_${program}.c)
  if(NOT EXISTS ${main})
    return()
  endif()
  add_executable(${program} ${main})
  set_target_properties(${program} PROPERTIES KITBAG_LINKS_WITH_LTO ON)
  target_link_libraries(${program} PRIVATE ${ARGN})
  add_dependencies(programs ${program})
  install(TARGETS ${program})
endfunction()
