#pragma once

#include <hdf5.h>

#include <string>
#include <utility>

#include "cuttle/core/error.hpp"

namespace cuttle {

/// Owns one HDF5 identifier.
template <herr_t (*Close)(hid_t)>
class Hdf5Handle {
 public:
  explicit Hdf5Handle(hid_t id) : id_(id) {}
  ~Hdf5Handle() {
    if (id_ >= 0) Close(id_);
  }
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Hdf5Handle& operator=(Hdf5Handle&&) = delete;
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
};

using Hdf5File = Hdf5Handle<&H5Fclose>;
using Hdf5Dataset = Hdf5Handle<&H5Dclose>;
using Hdf5Space = Hdf5Handle<&H5Sclose>;
using Hdf5Type = Hdf5Handle<&H5Tclose>;
using Hdf5Attribute = Hdf5Handle<&H5Aclose>;
using Hdf5Properties = Hdf5Handle<&H5Pclose>;

/// Silences HDF5's own printing of errors while it lives: CUTTLE_HDF5 puts the reason into our
/// message. To be the first to call HDF5: it also keeps HDF5 from cleaning up when the process
/// ends, which prints an "infinite loop" of its own after a damaged file could not be closed.
class Hdf5Quiet {
 public:
  Hdf5Quiet() {
    H5dont_atexit();
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Hdf5Quiet() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  Hdf5Quiet(const Hdf5Quiet&) = delete;
  Hdf5Quiet& operator=(const Hdf5Quiet&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

namespace detail {

/// The innermost entry of HDF5's error stack: what really went wrong.
inline std::string hdf5_reason() {
  std::string reason;
  const auto keep_first = [](unsigned n, const H5E_error2_t* entry, void* to) -> herr_t {
    if (n == 0 && entry->desc) *static_cast<std::string*>(to) = entry->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason);
  return reason.empty() ? "no reason given" : reason;
}

template <class Result>
Result hdf5_checked(Result result, const std::string& path, const std::string& doing) {
  CUTTLE_VALIDATE(result >= 0,
                  "cannot {} of the shard '{}': {} (the file is damaged or not complete); make it "
                  "again or copy it anew",
                  doing, path, hdf5_reason());
  return result;
}

}  // namespace detail
}  // namespace cuttle

/// The result of an HDF5 call that reads the shard at `path`; UserError with HDF5's reason when it
/// is negative. `doing` completes "cannot ... of the shard".
#define CUTTLE_HDF5(call, path, doing) (::cuttle::detail::hdf5_checked((call), (path), (doing)))
