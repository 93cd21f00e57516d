# The API's description (admin/openapi.json) as one C file of the library kitbag_admin. The same file
# is the script that makes it: cmake -DIN=... -DOUT=... -P openapi.cmake
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${IN} text)
  string(REGEX REPLACE "\n *" "" text "${text}") # no text of JSON holds the end of a line
  string(SHA256 hash "${text}")
  string(SUBSTRING ${hash} 0 15 etag) # less than 64 bits: some readers know signed numbers alone
  file(WRITE ${OUT}.text "${text}")
  file(READ ${OUT}.text bytes HEX)
  file(REMOVE ${OUT}.text)
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  file(WRITE ${OUT} "/* made of admin/openapi.json */\n#include \"admin/api/openapi.h\"\n\n"
    "const unsigned char admin_openapi_json[] = {\n${bytes}};\n"
    "const size_t admin_openapi_size = sizeof admin_openapi_json;\n"
    "const uint64_t admin_openapi_etag = UINT64_C(0x${etag});\n")
  return()
endif()

set(openapi_json ${CMAKE_SOURCE_DIR}/admin/openapi.json)
set(openapi_c ${CMAKE_BINARY_DIR}/openapi.c)
add_custom_command(
  OUTPUT ${openapi_c}
  COMMAND ${CMAKE_COMMAND} -DIN=${openapi_json} -DOUT=${openapi_c} -P
    ${CMAKE_SOURCE_DIR}/cmake/openapi.cmake
  DEPENDS ${openapi_json} ${CMAKE_SOURCE_DIR}/cmake/openapi.cmake
  COMMENT "Embedding the API's description"
  VERBATIM)
target_sources(kitbag_admin PRIVATE ${openapi_c})
