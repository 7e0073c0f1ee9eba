# Flags that every target is built with.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR
          "Millrace builds with clang 19 (g++ 12 miscompiles coroutines): use ./dev build")
endif()
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=time_macros ${CCACHE})
endif()
add_compile_options(
  -Wall -Wextra -Wshadow -Wextra-semi -Wnon-virtual-dtor -Wimplicit-fallthrough -Werror
  -Wno-missing-designated-field-initializers -Wno-missing-field-initializers
  -fno-omit-frame-pointer -fvisibility=hidden -mssse3 -msse4.2 -mpclmul
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -fcolor-diagnostics)
add_link_options(-fuse-ld=lld -Wl,--gc-sections -pthread)
add_compile_options(-ffunction-sections -fdata-sections -pthread)
if(MILLRACE_SANITIZE)
  add_compile_options(-fsanitize=${MILLRACE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MILLRACE_SANITIZE})
endif()
if(MILLRACE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
