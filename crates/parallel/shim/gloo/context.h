// What the declaration of ProcessGroupGloo says of gloo's connections; only ever held by pointer.
#pragma once
#include <chrono>

namespace gloo {
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};
} // namespace gloo
