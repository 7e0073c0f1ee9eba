#include "storage/directory_health.h"

namespace millrace::storage {

DirectoryHealth::~DirectoryHealth() { delete first_.load(std::memory_order_acquire); }

std::optional<Error> DirectoryHealth::failure() const {
    const Error* first = first_.load(std::memory_order_acquire);
    if (first == nullptr) return std::nullopt;
    return *first;
}

void DirectoryHealth::fail(const Error& error) {
    auto mine = std::make_unique<const Error>(error);
    const Error* none = nullptr;
    if (!first_.compare_exchange_strong(none, mine.get(), std::memory_order_acq_rel)) return;
    mine.release();
    if (before_) before_();
    if (observer_) observer_(error);
}

}  // namespace millrace::storage
