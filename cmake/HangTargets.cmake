# How this project's targets are made: one warnings function, one sanitizer switch, one kind of layer library.

function(hang_target_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
    -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual -Werror)
  if(HANG_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
    target_link_options(${target} PRIVATE -fsanitize=address,undefined)
  endif()
  if(HANG_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined)
    target_link_options(${target} PRIVATE -fsanitize=address,undefined)
  endif()
endfunction()

# hang_layer(NAME SOURCES a.cpp b.cpp DEPENDS base facts LIBRARIES fmt::fmt)
# A static library `hang_NAME`, alias `hang::NAME`, that may use exactly the layers it names. scripts/check_layering
# holds the includes to the same arrows.
function(hang_layer name)
  cmake_parse_arguments(LAYER "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  add_library(hang_${name} STATIC ${LAYER_SOURCES})
  add_library(hang::${name} ALIAS hang_${name})
  target_include_directories(hang_${name} PUBLIC ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../plugin)
  hang_target_options(hang_${name})
  foreach(dependency IN LISTS LAYER_DEPENDS)
    target_link_libraries(hang_${name} PUBLIC hang::${dependency})
  endforeach()
  target_link_libraries(hang_${name} PUBLIC ${LAYER_LIBRARIES})
endfunction()
