# The shipped catalogue (catalogue/catalogue.json) as one C file of the library kitbag_server, and
# installed as the sample of an administrator's own. The same file is the script that makes it:
# cmake -DIN=... -DOUT=... -P catalogue.cmake
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${IN} bytes HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  file(WRITE ${OUT} "/* made of catalogue/catalogue.json */\n#include \"server/catalogue.h\"\n\n"
    "const unsigned char catalogue_shipped[] = {\n${bytes}};\n"
    "const size_t catalogue_shipped_size = sizeof catalogue_shipped;\n")
  return()
endif()

set(catalogue_json ${CMAKE_SOURCE_DIR}/catalogue/catalogue.json)
set(catalogue_c ${CMAKE_BINARY_DIR}/catalogue.c)
add_custom_command(
  OUTPUT ${catalogue_c}
  COMMAND ${CMAKE_COMMAND} -DIN=${catalogue_json} -DOUT=${catalogue_c} -P
    ${CMAKE_SOURCE_DIR}/cmake/catalogue.cmake
  DEPENDS ${catalogue_json} ${CMAKE_SOURCE_DIR}/cmake/catalogue.cmake
  COMMENT "Embedding the catalogue"
  VERBATIM)
target_sources(kitbag_server PRIVATE ${catalogue_c})
install(FILES ${catalogue_json} DESTINATION ${CMAKE_INSTALL_DATADIR}/kitbag)
