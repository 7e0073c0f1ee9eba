#pragma once

#include <atomic>
#include <cstdint>
#include <fmt/core.h>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "storage/remote/object_store.h"

namespace millrace::storage::remote {

struct StoreFaults {
    double before = 0;                 // the call fails, and nothing was done
    double after = 0;                  // it was done, and yet reported as failed
    double shortened = 0;              // a put ends where its source cannot be read any more
    std::function<void()> delay = {};  // before each call
};

// A store whose calls fail by a seed: the n-th call of the store always fares alike. From any
// thread. set() is for when nobody calls.
class FaultyStore final : public ObjectStore {
  public:
    FaultyStore(ObjectStore& store, std::uint64_t seed, StoreFaults faults)
        : store_(store), seed_(seed), faults_(std::move(faults)) {}

    void set(StoreFaults faults) { faults_ = std::move(faults); }
    std::uint64_t failed() const { return failed_.load(); }

    Result<> put(std::string_view key, ObjectSource& source) override {
        return call<>(key, [&](Random& random) {
            if (!random.chance(faults_.shortened)) return store_.put(key, source);
            failed_.fetch_add(1);
            EndingSource ending(source, random.below(source.size() + 1));
            return store_.put(key, ending);
        });
    }
    Result<Buffer> get(std::string_view key, std::uint64_t offset, std::uint64_t size) override {
        return call<Buffer>(key, [&](Random&) { return store_.get(key, offset, size); });
    }
    Result<> remove(std::string_view key) override {
        return call<>(key, [&](Random&) { return store_.remove(key); });
    }
    Result<std::vector<std::string>> list(std::string_view prefix) override {
        return call<std::vector<std::string>>(prefix, [&](Random&) { return store_.list(prefix); });
    }
    void stop() override { store_.stop(); }

  private:
    class EndingSource final : public ObjectSource {
      public:
        EndingSource(ObjectSource& source, std::uint64_t end) : source_(source), end_(end) {}
        std::uint64_t size() const override { return source_.size(); }
        Result<> read(std::uint64_t offset, MutableBytes into) override {
            if (offset + into.size() >= end_) {
                return fail(ErrorCode::kafka_storage_error, "the test took the source away");
            }
            return source_.read(offset, into);
        }

      private:
        ObjectSource& source_;
        std::uint64_t end_;
    };

    template <typename T = void, typename Call>
    Result<T> call(std::string_view key, Call one) {
        if (faults_.delay) faults_.delay();
        Random random(seed_ * 0x9e3779b97f4a7c15U + calls_.fetch_add(1));
        if (random.chance(faults_.before)) return broken(key);
        Result<T> done = one(random);
        if (done && random.chance(faults_.after)) return broken(key);
        return done;
    }
    std::unexpected<Error> broken(std::string_view key) {
        failed_.fetch_add(1);
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("the test broke the call for {}", key));
    }

    ObjectStore& store_;
    std::uint64_t seed_;
    StoreFaults faults_;
    std::atomic<std::uint64_t> calls_{0};
    std::atomic<std::uint64_t> failed_{0};
};

}  // namespace millrace::storage::remote
