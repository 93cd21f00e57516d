# kitbag_folder(NAME LIBRARIES...): the static library kitbag_NAME from the sources in NAME/.
# A source named main_PROGRAM.c holds the main function of PROGRAM and is no part of the library.
function(kitbag_folder name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.c)
  list(FILTER sources EXCLUDE REGEX "/main_[a-z]+\\.c$")
  if(NOT sources)
    add_library(kitbag_${name} INTERFACE)
    target_link_libraries(kitbag_${name} INTERFACE kitbag_flags ${ARGN})
    return()
  endif()
  add_library(kitbag_${name} STATIC ${sources})
  target_link_libraries(kitbag_${name} PUBLIC kitbag_flags ${ARGN})
endfunction()

# kitbag_program(PROGRAM FOLDER LIBRARIES...): FOLDER/main_PROGRAM.c linked as PROGRAM.
function(kitbag_program program folder)
  set(main ${CMAKE_SOURCE_DIR}/${folder}/main_${program}.c)
  if(NOT EXISTS ${main})
    return()
  endif()
  add_executable(${program} ${main})
  target_link_libraries(${program} PRIVATE ${ARGN})
  install(TARGETS ${program})
endfunction()
