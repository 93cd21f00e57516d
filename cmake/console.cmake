# kitbag_console: the web pages (admin/console), bundled by Node at build time, as one C file. Only
# kitbagd links it, so nothing else needs Node.
set(console ${CMAKE_SOURCE_DIR}/admin/console)
set(console_out ${CMAKE_BINARY_DIR}/console)
file(GLOB_RECURSE console_sources CONFIGURE_DEPENDS ${console}/src/*)

find_program(KITBAG_NODE NAMES node nodejs DOC "Node 18 or later, which bundles the console")
if(KITBAG_NODE)
  set(console_command ${KITBAG_NODE} ${console}/build.mjs ${console_out})
else()
  set(console_command ${CMAKE_COMMAND} -E echo
      "Node is needed to bundle the console: install nodejs and npm, or run ./dev, which does."
      COMMAND ${CMAKE_COMMAND} -E false)
endif()
add_custom_command(
  OUTPUT ${console_out}/assets.c
  COMMAND ${console_command}
  DEPENDS ${console_sources} ${console}/build.mjs ${console}/package-lock.json
  COMMENT "Bundling the console"
  VERBATIM)
add_library(kitbag_console STATIC ${console_out}/assets.c)
target_link_libraries(kitbag_console PRIVATE kitbag_flags)
