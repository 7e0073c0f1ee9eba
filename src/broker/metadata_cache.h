#pragma once

#include <cstdint>
#include <utility>

#include "base/condition.h"
#include "core/metadata/image.h"

namespace millrace::broker {

// The cluster as this shard knows it: the newest committed image that reached it.
class MetadataCache {
  public:
    metadata::ImagePtr image() const { return image_; }
    // Until the next wait.
    const metadata::Image& current() const { return *image_; }
    // How many images have reached this shard.
    std::uint64_t generation() const { return generation_; }
    void publish(metadata::ImagePtr image) {
        image_ = std::move(image);
        ++generation_;
        changed_.notify_all();
    }
    // Waits for an image of which `predicate(const Image&)` holds.
    template <typename Predicate>
    Task<metadata::ImagePtr> until(Predicate predicate) {
        while (!predicate(*image_)) co_await changed_.wait();
        co_return image_;
    }

  private:
    metadata::ImagePtr image_ = std::make_shared<const metadata::Image>();
    std::uint64_t generation_ = 0;
    Condition changed_;
};

}  // namespace millrace::broker
