// What libtorch offers in C++ alone and `tch` does not hand on: a stream for the calling thread, and graphs.
// Each function returns null, or what went wrong in a text that the caller frees.

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <cstdlib>
#include <cstring>
#include <exception>

namespace {
char* copied(const char* text) {
  char* copy = strdup(text);
  // Null would read as success.
  if (copy == nullptr) std::abort();
  return copy;
}

template <typename Step>
char* told(Step step) {
  try {
    step();
    return nullptr;
  } catch (const std::exception& error) {
    return copied(error.what());
  } catch (...) {
    return copied("an error without a text");
  }
}
} // namespace

extern "C" {

char* limen_cuda_take_stream(int device) {
  return told([&] {
    auto index = static_cast<c10::DeviceIndex>(device);
    c10::cuda::set_device(index);
    c10::cuda::setCurrentCUDAStream(c10::cuda::getStreamFromPool(false, index));
  });
}

char* limen_cuda_graph_begin(void** graph) {
  *graph = nullptr;
  return told([&] {
    auto* begun = new at::cuda::CUDAGraph();
    *graph = begun;
    // Other threads go on with theirs meanwhile.
    begun->capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
  });
}

char* limen_cuda_graph_end(void* graph) {
  return told([&] { static_cast<at::cuda::CUDAGraph*>(graph)->capture_end(); });
}

char* limen_cuda_graph_replay(void* graph) {
  return told([&] { static_cast<at::cuda::CUDAGraph*>(graph)->replay(); });
}

void limen_cuda_graph_drop(void* graph) {
  delete static_cast<at::cuda::CUDAGraph*>(graph);
}
}
