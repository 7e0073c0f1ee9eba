#include "core/transactions/transaction.h"

#include <algorithm>
#include <array>

namespace millrace::transactions {
namespace {

constexpr std::array<std::string_view, 8> state_names = {
    "Empty",          "Ongoing",       "PrepareCommit", "PrepareAbort",
    "CompleteCommit", "CompleteAbort", "Dead",          "PrepareEpochFence"};

}  // namespace

std::string_view to_string(TransactionState state) {
    return state_names[static_cast<std::size_t>(state)];
}

std::optional<TransactionState> state_named(std::string_view name) {
    const auto* found = std::ranges::find(state_names, name);
    if (found == state_names.end()) return std::nullopt;
    return static_cast<TransactionState>(found - state_names.begin());
}

}  // namespace millrace::transactions
