#pragma once

#include "kernels/cells.hpp"
#include "kernels/held_steps.hpp"
#include "kernels/products.hpp"
#include "kernels/row_steps.hpp"
#include "kernels/tiles.hpp"
#include "kernels/windows.hpp"
#include "kernels/winograd_steps.hpp"

/// Included once by each isa_*.cpp.
namespace cuttle::kernels {
namespace {

template <class T>
constexpr Isa<T> kIsa = {kLanes<T>,    kRows,        convolve<T>, correlate<T>,   outer<T>,
                         winograd<T>,  pool<T>,      select<T>,   window_sums<T>, spread<T>,
                         gradient<T>,  moments<T>,   products<T>, product<T>,     dots<T>,
                         transpose<T>, cells<T>,     rows<T>,     norm<T>,        norm_back<T>,
                         mix<T>,       by_channel<T>};

}  // namespace
}  // namespace cuttle::kernels
