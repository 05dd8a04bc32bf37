# What the dynamic loader does before main() was half of what a command takes at least, with sixteen libraries. A program
# here takes the archives; what is loaded into a debugger takes the shared libraries (Debian's archives are not made for
# that).

set(HANG_FOR_PROGRAM $<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>)

# hang_archive(NAME SHARED ARCHIVE...): the target `hang::libNAME`, which is SHARED, or for programs its archive and those
# that this one needs (an archive does not name them). Where one of them is missing it is SHARED for all.
function(hang_archive name shared)
  add_library(hang_lib${name} INTERFACE)
  add_library(hang::lib${name} ALIAS hang_lib${name})
  target_include_directories(hang_lib${name} SYSTEM INTERFACE $<TARGET_PROPERTY:${shared},INTERFACE_INCLUDE_DIRECTORIES>)
  set(archives)
  foreach(library IN LISTS ARGN)
    find_library(HANG_ARCHIVE_${library} NAMES ${library}.a)
    list(APPEND archives ${HANG_ARCHIVE_${library}})
  endforeach()
  if(HANG_ARCHIVES AND NOT archives MATCHES "NOTFOUND")
    target_link_libraries(hang_lib${name} INTERFACE "$<IF:${HANG_FOR_PROGRAM},${archives},${shared}>")
  else()
    target_link_libraries(hang_lib${name} INTERFACE ${shared})
  endif()
endfunction()

# The target `hang::libfmt`. Debian has no archive of fmt, but its headers have the sources; plugin/base/fmt.cpp is made
# for fmt 9, and where it does not compile the shared library is used.
function(hang_archive_of_fmt)
  add_library(hang_libfmt INTERFACE)
  add_library(hang::libfmt ALIAS hang_libfmt)
  if(HANG_ARCHIVES AND NOT HANG_SANITIZE)
    set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
    try_compile(HANG_FMT_COMPILES ${CMAKE_BINARY_DIR}/fmt ${CMAKE_SOURCE_DIR}/plugin/base/fmt.cpp CXX_STANDARD 20)
  endif()
  if(NOT HANG_FMT_COMPILES)
    target_link_libraries(hang_libfmt INTERFACE fmt::fmt)
    return()
  endif()
  add_library(hang_fmt STATIC ${CMAKE_SOURCE_DIR}/plugin/base/fmt.cpp)
  target_link_libraries(hang_libfmt INTERFACE $<IF:${HANG_FOR_PROGRAM},hang_fmt,fmt::fmt>)
  target_include_directories(hang_libfmt SYSTEM INTERFACE $<TARGET_PROPERTY:fmt::fmt,INTERFACE_INCLUDE_DIRECTORIES>)
  target_compile_definitions(hang_libfmt INTERFACE $<TARGET_PROPERTY:fmt::fmt,INTERFACE_COMPILE_DEFINITIONS>)
endfunction()
