#include "adapt/updates/coordinate_lstm.hpp"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "adapt/layers.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/kernels/lstm.hpp"
#include "cuttle/model/linear_stack.hpp"

namespace cuttle {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// x, h, c, and the three of the weights, dense.
template <class T>
kernels::LstmStep<T> step_of(const variable_list& in) {
  return {in[0].size(1),
          in[0].size(0),
          in[1].size(0),
          in[0].data_ptr<T>(),
          in[1].data_ptr<T>(),
          in[2].data_ptr<T>(),
          {in[3].data_ptr<T>(), in[4].data_ptr<T>(), in[5].data_ptr<T>()}};
}

class CoordinateLstm : public torch::autograd::Function<CoordinateLstm> {
 public:
  static variable_list forward(AutogradContext* ctx, const torch::Tensor& x, const torch::Tensor& h,
                               const torch::Tensor& c, const torch::Tensor& from_x,
                               const torch::Tensor& from_hidden, const torch::Tensor& bias) {
    const variable_list in{x.contiguous(),      h.contiguous(),           c.contiguous(),
                           from_x.contiguous(), from_hidden.contiguous(), bias.contiguous()};
    ctx->save_for_backward(in);
    variable_list out{torch::empty_like(in[1]), torch::empty_like(in[1])};
    with_type_of(x, [&](auto type) {
      using T = decltype(type);
      kernels::lstm_forward<T>(step_of<T>(in), out[0].data_ptr<T>(), out[1].data_ptr<T>());
    });
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list cotangents) {
    CUTTLE_REQUIRE(!torch::GradMode::is_enabled(),
                   "a learned optimizer's LSTM has no second derivative");
    const auto in = ctx->get_saved_variables();
    variable_list to;
    for (const auto& value : in) to.push_back(torch::empty_like(value));
    const auto of_h = cotangents[0].contiguous(), of_c = cotangents[1].contiguous();
    with_type_of(in[0], [&](auto type) {
      using T = decltype(type);
      kernels::lstm_backward<T>(step_of<T>(in), of_h.data_ptr<T>(), of_c.data_ptr<T>(),
                                {to[0].data_ptr<T>(),
                                 to[1].data_ptr<T>(),
                                 to[2].data_ptr<T>(),
                                 {to[3].data_ptr<T>(), to[4].data_ptr<T>(), to[5].data_ptr<T>()}});
    });
    return to;
  }
};

}  // namespace

std::pair<torch::Tensor, torch::Tensor> coordinate_lstm(
    const torch::Tensor& x, const torch::Tensor& h, const torch::Tensor& c,
    const torch::Tensor& from_x, const torch::Tensor& from_hidden, const torch::Tensor& bias) {
  if (x.is_cpu()) {
    const auto out = CoordinateLstm::apply(x, h, c, from_x, from_hidden, bias);
    return {out[0], out[1]};
  }
  return lstm_step(from_x.matmul(x) + from_hidden.matmul(h) + bias.unsqueeze(1), c, 0);
}

}  // namespace cuttle
