# osteo_learn.so: the only thing that links torch, opened when a network trains or runs. torch's own CMake package asks
# for Caffe2 and OpenCV, which we don't use: headers and three libraries are all.
find_path(TORCH_INCLUDE ATen/ATen.h)
find_library(TORCH_LIBRARY torch)
find_library(TORCH_CPU_LIBRARY torch_cpu)
find_library(C10_LIBRARY c10)
if(NOT (TORCH_INCLUDE AND TORCH_LIBRARY AND TORCH_CPU_LIBRARY AND C10_LIBRARY))
  message(STATUS "torch is absent: osteo_learn.so is left out and networks end with 69 (Debian: libtorch-dev)")
  return()
endif()
file(GLOB SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/torch/*.cpp)
add_library(osteo_learn MODULE ${SOURCES})
set_target_properties(osteo_learn PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib
                      CXX_VISIBILITY_PRESET hidden)
target_include_directories(osteo_learn PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_include_directories(osteo_learn SYSTEM PRIVATE ${TORCH_INCLUDE})
target_precompile_headers(osteo_learn PRIVATE <ATen/ATen.h>)
target_link_libraries(osteo_learn PRIVATE ${TORCH_LIBRARY} ${TORCH_CPU_LIBRARY} ${C10_LIBRARY})
add_dependencies(learn osteo_learn)  # whoever builds something that may open it gets it too
install(TARGETS osteo_learn DESTINATION lib/osteoforge)
