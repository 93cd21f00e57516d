# libkitbag.so: kitbag_client and what it needs of our other folders in one library that exports
# the functions of kitbag.h alone. Not made under sanitizers: programs link the static parts.
get_target_property(type kitbag_client TYPE)
if(NOT type STREQUAL STATIC_LIBRARY OR KITBAG_SANITIZE)
  return()
endif()

file(WRITE ${CMAKE_BINARY_DIR}/libkitbag.c "typedef int nothing; /* all is in the archives */\n")
file(WRITE ${CMAKE_BINARY_DIR}/libkitbag.map "{ global: kb_*; local: *; };\n")
add_library(libkitbag SHARED ${CMAKE_BINARY_DIR}/libkitbag.c)
add_dependencies(programs libkitbag)
target_link_libraries(libkitbag PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,kitbag_client>)
target_link_options(libkitbag PRIVATE -Wl,--version-script=${CMAKE_BINARY_DIR}/libkitbag.map
                    -Wl,--no-undefined -Wl,--as-needed)
set_target_properties(libkitbag PROPERTIES OUTPUT_NAME kitbag VERSION ${PROJECT_VERSION}
                      SOVERSION ${PROJECT_VERSION_MAJOR}
                      LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)

# relative to where kitbag.pc is, so that `cmake --install --prefix` and packagers may move it
file(RELATIVE_PATH KITBAG_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" KITBAG_PREFIX ${KITBAG_PREFIX})
configure_file(cmake/kitbag.pc.in kitbag.pc @ONLY)
install(TARGETS libkitbag)
install(FILES client/include/kitbag.h TYPE INCLUDE)
install(FILES ${CMAKE_BINARY_DIR}/kitbag.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
