# Compiler cache, fast linker, warnings, sanitizers: applied to every target of this project.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The three sloppiness switches are what ccache needs to cache files that use a precompiled header.
  # The base folder lets clones of one project share results.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12.1)
  add_link_options(-fuse-ld=mold)
endif()

add_library(cuttle_flags INTERFACE)
target_compile_options(cuttle_flags INTERFACE -Wall -Wextra -Wshadow -Werror -fno-math-errno)
if(CCACHE_PROGRAM)
  target_compile_options(cuttle_flags INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
endif()
if(CUTTLE_SANITIZE)
  # -Og and line numbers alone: a third of the time to compile, and the checks are the same.
  add_compile_options(-fsanitize=${CUTTLE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -Og -g1)
  add_link_options(-fsanitize=${CUTTLE_SANITIZE})
endif()
