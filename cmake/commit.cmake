# Writes OUT, a header that names the commit of SOURCE; touched only when that changes.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit "no commit")
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT "#define KITBAG_COMMIT \"@commit@\"\n" @ONLY)
