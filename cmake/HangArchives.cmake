# Every command pays for what the dynamic loader does before main(): sixteen libraries were 6 of 10 ms. A program here
# takes the archives; what is loaded into a debugger takes the shared libraries (Debian's archives are not made for that).

# hang_archive(NAME LIBRARY SHARED): the target `hang::libNAME`.
function(hang_archive name library shared)
  find_library(HANG_ARCHIVE_${library} NAMES ${library}.a)
  add_library(hang_lib${name} INTERFACE)
  add_library(hang::lib${name} ALIAS hang_lib${name})
  target_include_directories(hang_lib${name} SYSTEM INTERFACE $<TARGET_PROPERTY:${shared},INTERFACE_INCLUDE_DIRECTORIES>)
  set(archives ${HANG_ARCHIVE_${library}})
  if(name STREQUAL dw AND archives)
    # elfutils' archive names none of what it needs.
    find_library(HANG_ARCHIVE_libbz2 NAMES libbz2.a)
    set(archives "${archives};${HANG_ARCHIVE_libelf};${HANG_ARCHIVE_liblzma};${HANG_ARCHIVE_libbz2};${HANG_ARCHIVE_libz};${CMAKE_DL_LIBS}")
  endif()
  if(name STREQUAL elf AND archives)
    set(archives "${archives};${HANG_ARCHIVE_libz}")
  endif()
  if(NOT HANG_ARCHIVES OR archives MATCHES "NOTFOUND" OR NOT archives)
    target_link_libraries(hang_lib${name} INTERFACE ${shared})
    return()
  endif()
  set(program $<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>)
  target_link_libraries(hang_lib${name} INTERFACE "$<IF:${program},${archives},${shared}>")
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
  target_link_libraries(hang_libfmt INTERFACE $<IF:$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>,hang_fmt,fmt::fmt>)
  target_include_directories(hang_libfmt SYSTEM INTERFACE $<TARGET_PROPERTY:fmt::fmt,INTERFACE_INCLUDE_DIRECTORIES>)
  target_compile_definitions(hang_libfmt INTERFACE $<TARGET_PROPERTY:fmt::fmt,INTERFACE_COMPILE_DEFINITIONS>)
endfunction()
