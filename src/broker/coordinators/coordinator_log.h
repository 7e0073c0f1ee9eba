#pragma once

#include <expected>
#include <memory>
#include <utility>
#include <vector>

#include "base/scope.h"
#include "broker/partitions/partition.h"
#include "core/coordinator/record.h"
#include "env/shard.h"

namespace millrace::broker {

// Whose records a batch holds: a transaction's, or the coordinator's own.
struct WrittenBy {
    std::int64_t producer_id = no_producer_id;
    std::int16_t producer_epoch = no_producer_epoch;
    bool verified = true;  // the transaction's coordinator knows of it
};

// Drives the state that one partition of a coordinator's topic is about: replays the log while this
// node leads it, appends what is decided and applies it at once, so that the next decision knows of
// it, and answers when it is committed. What was seen but not committed goes with the leadership.
// Lives on the partition's shard.
class CoordinatorLog {
  public:
    class State {
      public:
        virtual Result<> apply(const coordinator::Record& record,
                               const coordinator::AppendedAs& as) = 0;
        virtual void transaction_ended(std::int64_t /*producer_id*/, bool /*committed*/) {}
        // All of the log is applied.
        virtual void loaded() = 0;

      protected:
        ~State() = default;
    };
    enum class Stage : std::uint8_t { loading, active, failed };
    struct Options {
        std::uint64_t load_bytes = 5 << 20;        // that are read at a time
        std::int32_t base_sequence = no_sequence;  // of batches without a producer
        Codec codec = Codec::none;
        Duration linger;  // of what is no transaction's: how long it waits for more to write
        // Who waits longer for a commit is told that there is no coordinator: it may ask again.
        Duration patience = Duration::max();
    };

    CoordinatorLog(env::Shard& shard, std::shared_ptr<Partition> partition, State& state,
                   Options options);

    void start() { scope_.spawn(load()); }
    // From here on all is refused; then stop() ends what goes on.
    void refuse() { stopped_ = true; }
    Task<void> stop() { co_await scope_.close(); }
    bool is_stopped() const { return stopped_; }
    Stage stage() const { return stage_; }
    // How long it took to get to be active.
    Duration load_time() const { return load_time_; }
    // None when the state can be used; coordinator_load_in_progress, not_coordinator.
    ErrorCode ready() const;

    // `decide() -> Decision<Response>` runs on the state as it will be when all that was decided
    // before is committed; its answer is given when that is so. Errors as clients may hear them.
    // `by` is read when decide() has run; `applied(decision)` is called before any other decision.
    struct NothingMore {
        void operator()(const auto& /*decision*/) const {}
    };
    template <typename Decide, typename Applied = NothingMore>
    auto run(Decide decide, const WrittenBy& by = {}, Applied applied = {})
        -> Task<std::expected<decltype(std::declval<Decide&>()().response), ErrorCode>> {
        co_await partition_->may_append();
        if (ErrorCode error = ready(); error != ErrorCode::none) co_return std::unexpected(error);
        auto decision = decide();
        if (!decision.records.empty()) {
            ErrorCode error = write_now(decision.records, by);
            if (error != ErrorCode::none) co_return std::unexpected(error);
        }
        applied(decision);
        if (ErrorCode error = co_await settled(); error != ErrorCode::none) {
            co_return std::unexpected(error);
        }
        co_return std::move(decision.response);
    }
    Task<ErrorCode> write(std::vector<coordinator::Record> records, WrittenBy by = {});
    // A transaction's marker. The partition's own error.
    Task<ErrorCode> end_transaction(TransactionEnd end);
    // Ends when all that was applied is committed: reads may then tell it.
    Task<ErrorCode> settled();

    Partition& partition() { return *partition_; }
    Scope& scope() { return scope_; }

  private:
    Task<void> load();
    Result<> replay(Bytes batches, storage::Offset& next);
    ErrorCode write_now(const std::vector<coordinator::Record>& records, const WrittenBy& by);

    env::Shard& shard_;
    std::shared_ptr<Partition> partition_;
    State& state_;
    Options options_;
    storage::Offset applied_end_ = 0;
    Stage stage_ = Stage::loading;
    Duration load_time_;
    bool stopped_ = false;
    Scope scope_;
};

}  // namespace millrace::broker
