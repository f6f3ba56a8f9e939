// Stores and Gloo groups of c10d as plain C functions. Numbers of bytes and pointers go in, errors come out as text that
// the caller frees with mosa_free; no exception leaves this file.
//
// The wheel of libtorch lacks gloo's headers. The folder gloo/ beside this file declares the few names that ProcessGroupGloo's
// own header mentions; all of them are held by pointer there, so that no size or layout of gloo's is guessed. The build script
// links this file against libtorch_cpu before it is used.

#define USE_C10D_GLOO 1
#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <c10/util/Logging.h>

#include <cstdlib>
#include <cstring>
#include <mutex>

using std::chrono::milliseconds;
using Store = c10::intrusive_ptr<c10d::Store>;
using Group = c10::intrusive_ptr<c10d::ProcessGroupGloo>;

namespace {

char* copy(const char* text) {
  char* out = static_cast<char*>(std::malloc(std::strlen(text) + 1));
  if (out) std::strcpy(out, text);
  return out;
}

// Runs `work`; 0, or -1 and what went wrong.
template <typename F>
int guarded(char** error, F work) {
  try {
    work();
    return 0;
  } catch (const c10::Error& e) {
    *error = copy(e.what_without_backtrace());
  } catch (const std::exception& e) {
    *error = copy(e.what());
  } catch (...) {
    *error = copy("an exception of no known type");
  }
  return -1;
}

at::Tensor bytes(const void* data, int64_t n) {
  return at::from_blob(const_cast<void*>(data), {n}, at::TensorOptions().dtype(at::kByte));
}

// Hands work to a group and waits for it. Of c10d's recorder of collectives there is one in a process, and it looks up the group
// before it takes its lock: groups that threads of one process use side by side hand their work in one after the other.
template <typename F>
void done(F hand_in) {
  static std::mutex turn;
  c10::intrusive_ptr<c10d::Work> work;
  {
    std::lock_guard<std::mutex> mine(turn);
    work = hand_in();
  }
  work->wait();
}

} // namespace

extern "C" {

// Lets libtorch write nothing to its log below fatal.
void mosa_quiet() {
  FLAGS_caffe2_log_level = 3;
}

void mosa_free(void* memory) {
  std::free(memory);
}

int mosa_store_tcp(const char* host, uint16_t port, int serves, int64_t timeout, void** out, char** error) {
  return guarded(error, [&] {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = serves != 0;
    options.waitWorkers = false;
    options.timeout = milliseconds(timeout);
    *out = new Store(c10::make_intrusive<c10d::TCPStore>(host, options));
  });
}

int mosa_store_file(const char* path, int ranks, int64_t timeout, void** out, char** error) {
  return guarded(error, [&] {
    auto store = c10::make_intrusive<c10d::FileStore>(path, ranks);
    store->setTimeout(milliseconds(timeout));
    *out = new Store(store);
  });
}

int mosa_store_prefix(const char* prefix, const void* store, void** out, char** error) {
  return guarded(error, [&] {
    *out = new Store(c10::make_intrusive<c10d::PrefixStore>(prefix, *static_cast<const Store*>(store)));
  });
}

// The same store over a connection of its own, for another thread.
int mosa_store_clone(const void* store, void** out, char** error) {
  return guarded(error, [&] { *out = new Store((*static_cast<const Store*>(store))->clone()); });
}

void mosa_store_drop(void* store) {
  char* error = nullptr;
  guarded(&error, [&] { delete static_cast<Store*>(store); });
  std::free(error);
}

int mosa_store_set(const void* store, const char* key, const uint8_t* value, size_t n, char** error) {
  return guarded(error, [&] {
    (*static_cast<const Store*>(store))->set(key, std::vector<uint8_t>(value, value + n));
  });
}

// Sets a key that is not there yet, and gives back what it then holds.
int mosa_store_claim(
    const void* store, const char* key, const uint8_t* value, size_t n, uint8_t** out, size_t* length, char** error) {
  return guarded(error, [&] {
    std::vector<uint8_t> now =
        (*static_cast<const Store*>(store))->compareSet(key, {}, std::vector<uint8_t>(value, value + n));
    *out = static_cast<uint8_t*>(std::malloc(now.size() + 1));
    if (!*out) throw std::bad_alloc();
    std::memcpy(*out, now.data(), now.size());
    *length = now.size();
  });
}

// Waits for a key until the store's timeout.
int mosa_store_get(const void* store, const char* key, uint8_t** out, size_t* length, char** error) {
  return guarded(error, [&] {
    std::vector<uint8_t> value = (*static_cast<const Store*>(store))->get(key);
    *out = static_cast<uint8_t*>(std::malloc(value.size() + 1));
    if (!*out) throw std::bad_alloc();
    std::memcpy(*out, value.data(), value.size());
    *length = value.size();
  });
}

int mosa_store_has(const void* store, const char* key, int* out, char** error) {
  return guarded(error, [&] { *out = (*static_cast<const Store*>(store))->check({key}) ? 1 : 0; });
}

// Connects every rank with every other. `host` is the address to listen on; empty: that of the machine's name. `interface` is a
// network interface and goes before it.
int mosa_gloo(
    const void* store, int rank, int size, int64_t timeout, const char* host, const char* interface, void** out, char** error) {
  return guarded(error, [&] {
    auto options = c10d::ProcessGroupGloo::Options::create(milliseconds(timeout));
    options->devices.push_back(
        *interface  ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
            : *host ? c10d::ProcessGroupGloo::createDeviceForHostname(host)
                    : c10d::ProcessGroupGloo::createDefaultDevice());
    *out = new Group(
        c10::make_intrusive<c10d::ProcessGroupGloo>(*static_cast<const Store*>(store), rank, size, options));
  });
}

void mosa_gloo_drop(void* group) {
  char* error = nullptr;
  guarded(&error, [&] { delete static_cast<Group*>(group); });
  std::free(error);
}

// Sends the i-th run of `from` to rank i, and fills the i-th run of `to` with what rank i sent; runs are counted in bytes.
int mosa_gloo_all_to_all(
    void* group, const void* from, const int64_t* sent, void* to, const int64_t* received, int size, char** error) {
  return guarded(error, [&] {
    std::vector<int64_t> in(sent, sent + size), out(received, received + size);
    int64_t n = 0, m = 0;
    for (int i = 0; i < size; i++) {
      n += in[i];
      m += out[i];
    }
    at::Tensor input = bytes(from, n), output = bytes(to, m);
    done([&] { return (*static_cast<Group*>(group))->alltoall_base(output, input, out, in); });
  });
}

// `to` holds the `n` bytes of every rank, in order.
int mosa_gloo_all_gather(void* group, const void* from, int64_t n, void* to, int size, char** error) {
  return guarded(error, [&] {
    at::Tensor input = bytes(from, n), output = bytes(to, n * size);
    done([&] { return (*static_cast<Group*>(group))->_allgather_base(output, input); });
  });
}

int mosa_gloo_broadcast(void* group, void* data, int64_t n, int root, char** error) {
  return guarded(error, [&] {
    std::vector<at::Tensor> all = {bytes(data, n)};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    done([&] { return (*static_cast<Group*>(group))->broadcast(all, options); });
  });
}

} // extern "C"
