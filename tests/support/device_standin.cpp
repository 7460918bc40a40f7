#include "support/device_standin.hpp"

#include <torch/library.h>
#include <torch/types.h>

#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <cstdlib>

namespace cuttle {
namespace {

using at::Tensor;
using Sizes = at::IntArrayRef;

constexpr auto kKeys = c10::DispatchKeySet(c10::DispatchKey::PrivateUse1);
/// Set in every address that tensors there have: no address of a process on x86-64 or ARM has it,
/// and views compute with it all the same.
constexpr std::uintptr_t kElsewhere = std::uintptr_t{1} << 62;

void* tagged(void* address) {
  return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(address) | kElsewhere);
}

struct Memory final : c10::Allocator {
  c10::DataPtr allocate(std::size_t bytes) override {
    void* real = std::aligned_alloc(64, (bytes / 64 + 1) * 64);
    return {tagged(real), real, &std::free, standin_device()};
  }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void*, const void*, std::size_t) const override { std::abort(); }
};
Memory memory;

/// The same elements, in reach of the CPU.
Tensor within_reach(const Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) & ~kElsewhere;
  return at::from_blob(reinterpret_cast<void*>(address), tensor.sizes(), tensor.strides(),
                       at::TensorOptions(tensor.dtype()));
}

Tensor empty(Sizes size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
             std::optional<at::Device>, std::optional<bool>,
             std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &memory, kKeys, c10::dtype_or_default(type), format);
}

Tensor empty_strided(Sizes size, Sizes stride, std::optional<at::ScalarType> type,
                     std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &memory, kKeys,
                                           c10::dtype_or_default(type));
}

Tensor copy_from(const Tensor& from, const Tensor& to, bool) {
  within_reach(to).copy_(within_reach(from));
  return to;
}

Tensor copy_from_and_resize(const Tensor& from, const Tensor& to) {
  if (from.sizes() != to.sizes()) {  // a result that was made empty gets its memory now
    TORCH_CHECK(to.numel() == 0, "the stand-in resizes nothing but empty results");
    const Tensor fresh =
        at::detail::empty_generic(from.sizes(), &memory, kKeys, to.scalar_type(), std::nullopt);
    to.unsafeGetTensorImpl()->set_storage_keep_dtype(fresh.storage());
    to.unsafeGetTensorImpl()->set_sizes_contiguous(from.sizes());
  }
  return copy_from(from, to, false);
}

Tensor strided_view(const Tensor& self, Sizes size, Sizes stride,
                    std::optional<std::int64_t> offset) {
  auto view = at::detail::make_tensor<c10::TensorImpl>(
      c10::TensorImpl::VIEW, c10::Storage(self.storage()), self.key_set(), self.dtype());
  view.unsafeGetTensorImpl()->set_storage_offset(offset.value_or(self.storage_offset()));
  view.unsafeGetTensorImpl()->set_sizes_and_strides(size, stride);
  return view;
}

Tensor view(const Tensor& self, Sizes size) {
  // Of a dense tensor, or as the CPU would see it.
  const Tensor seen = within_reach(self).view(size);
  return strided_view(self, seen.sizes(), seen.strides(), self.storage_offset());
}

Tensor reshape_alias(const Tensor& self, Sizes size, Sizes stride) {
  return strided_view(self, size, stride, self.storage_offset());
}

/// As vendors' devices must: LibTorch has no convolution for them to fall back to.
Tensor convolution(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
                   Sizes stride, Sizes padding, Sizes dilation, bool transposed,
                   Sizes output_padding, std::int64_t groups) {
  const auto near_bias =
      bias && bias->defined() ? std::optional(within_reach(*bias)) : std::nullopt;
  return at::convolution(within_reach(x), within_reach(weight), near_bias, stride, padding,
                         dilation, transposed, output_padding, groups)
      .to(standin_device());
}

std::tuple<Tensor, Tensor, Tensor> convolution_backward(const Tensor& gradient, const Tensor& x,
                                                        const Tensor& weight, Sizes stride,
                                                        Sizes padding, Sizes dilation,
                                                        bool transposed, Sizes output_padding,
                                                        std::int64_t groups,
                                                        std::array<bool, 3> wanted) {
  const auto [of_x, of_weight, of_bias] = at::convolution_backward(
      within_reach(gradient), within_reach(x), within_reach(weight), Sizes{weight.size(0)}, stride,
      padding, dilation, transposed, output_padding, groups, wanted);
  const auto there = [](const Tensor& t) { return t.defined() ? t.to(standin_device()) : t; };
  return {there(of_x), there(of_weight), there(of_bias)};
}

void expect_there(const c10::IValue& value, const c10::OperatorHandle& op) {
  if (value.isTensor()) {
    const Tensor& tensor = value.toTensor();
    TORCH_CHECK(!tensor.defined() || !tensor.is_cpu() || tensor.dim() == 0, op.schema().name(),
                " mixes tensors of the CPU and of the device");
  } else if (value.isTensorList()) {
    for (const Tensor& tensor : value.toTensorVector()) expect_there(tensor, op);
  }
}

void by_the_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  for (const auto& value : torch::jit::last(stack, op.schema().arguments().size()))
    expect_there(value, op);
  at::native::cpu_fallback(op, stack);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", TORCH_FN(empty));
  library.impl("empty_strided", TORCH_FN(empty_strided));
  library.impl("_copy_from", TORCH_FN(copy_from));
  library.impl("_copy_from_and_resize", TORCH_FN(copy_from_and_resize));
  library.impl("as_strided", TORCH_FN(strided_view));
  library.impl("view", TORCH_FN(view));
  library.impl("_reshape_alias", TORCH_FN(reshape_alias));
  library.impl("convolution_overrideable", TORCH_FN(convolution));
  library.impl("convolution_backward_overrideable", TORCH_FN(convolution_backward));
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&by_the_cpu>());
}

/// One device, done with everything at once: its streams and events have nothing to wait for.
struct Guard final : c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::PrivateUse1> {
  c10::Device getDevice() const override { return standin_device(); }
  c10::Device exchangeDevice(c10::Device) const override { return standin_device(); }
  c10::Stream getStream(c10::Device) const noexcept override { return stream(); }
  c10::Stream getNewStream(c10::Device, int) const override { return stream(); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return stream(); }
  void record(void**, const c10::Stream&, const c10::DeviceIndex,
              const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }

 private:
  static c10::Stream stream() { return c10::Stream(c10::Stream::DEFAULT, standin_device()); }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
};

const bool registered = [] {
  static Hooks hooks;
  c10::register_privateuse1_backend("standin");
  at::RegisterPrivateUse1HooksInterface(&hooks);
  return true;
}();

}  // namespace

torch::Device standin_device() {
  return {torch::kPrivateUse1, 0};
}

}  // namespace cuttle
