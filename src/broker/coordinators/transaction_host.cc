#include "broker/coordinators/transaction_host.h"

#include "broker/log.h"
#include "client/backoff.h"
#include "core/transactions/transaction_records.h"
#include "env/shard.h"

namespace millrace::broker {

using transactions::Ending;
using transactions::ProducerAnswer;
using transactions::ProducerIdAndEpoch;
using transactions::Terms;
using transactions::TopicPartition;

namespace {

constexpr std::string_view transaction_version_feature = "transaction.version";
constexpr client::Backoff append_backoff{Duration::milliseconds(20), Duration::milliseconds(1000)};

}  // namespace

TransactionHost::TransactionHost(env::Shard& shard, std::shared_ptr<Partition> partition,
                                 const transactions::TransactionOptions& options,
                                 const TransactionParts& parts)
    : shard_(shard),
      parts_(parts),
      coordinator_(options),
      log_(shard, std::move(partition), *this,
           {.load_bytes = static_cast<std::uint64_t>(
                parts.config.transaction_state_log_load_buffer_size())}) {}

void TransactionHost::start() {
    started_ = shard_.now();
    log_.start();
}

Task<void> TransactionHost::stop() {
    log_.refuse();
    completed_.notify_all();
    co_await log_.stop();
}

void TransactionHost::loaded() {
    for (std::string& id : coordinator_.ending_ids()) log_.scope().spawn(finish(std::move(id)));
    log_.scope().spawn(abort_late());
    log_.scope().spawn(expire());
    LOG_DEBUG("{} holds {} transactional ids", log_.partition().identity().to_string(),
              coordinator_.size());
}

Result<> TransactionHost::apply(const coordinator::Record& record, const coordinator::AppendedAs&) {
    RETURN_IF_ERROR(coordinator_.apply(record));
    if (log_.ready() != ErrorCode::none) return {};
    ASSIGN_OR_RETURN(auto entry, transactions::parse(record));
    if (!entry) return {};
    if (entry->transaction && entry->transaction->is_ending()) {
        log_.scope().spawn(finish(std::move(entry->transactional_id)));
    } else {
        completed_.notify_all();
    }
    return {};
}

Terms TransactionHost::terms(std::optional<std::int64_t> fresh_producer_id) const {
    return {.now = shard_.wall_ms(),
            .version = parts_.metadata.image()->features.level_of(transaction_version_feature),
            .fresh_producer_id = fresh_producer_id};
}

// Requests -------------------------------------------------------------------------------------

template <typename Decide>
Task<ProducerAnswer> TransactionHost::decide(Decide decide) {
    std::optional<std::int64_t> fresh;
    for (;;) {
        auto answer = co_await log_.run([&] { return decide(terms(fresh)); });
        if (!answer) co_return ProducerAnswer{.error = answer.error()};
        if (!answer->wants_producer_id) co_return *answer;
        Result<std::int64_t> id = co_await parts_.producer_ids.next();
        if (!id) co_return ProducerAnswer{.error = id.error().code};
        fresh = *id;
    }
}

Task<ProducerAnswer> TransactionHost::init_producer_id(transactions::InitProducerId asked) {
    co_return co_await decide(
        [&](const Terms& terms) { return coordinator_.init_producer_id(asked, terms); });
}

Task<ErrorCode> TransactionHost::add_partitions(std::string transactional_id,
                                                ProducerIdAndEpoch producer,
                                                std::vector<TopicPartition> partitions,
                                                std::int16_t client_version) {
    Time deadline = shard_.now() + Duration::milliseconds(
                                       parts_.config.add_partitions_to_txn_retry_backoff_max_ms());
    auto is_settled = [&] {
        return log_.is_stopped() || !coordinator_.ending(transactional_id).has_value();
    };
    for (;;) {
        auto added = co_await log_.run([&] {
            return coordinator_.add_partitions(transactional_id, producer, partitions,
                                               client_version, terms());
        });
        if (!added) co_return added.error();
        if (*added != ErrorCode::concurrent_transactions || shard_.now() >= deadline) {
            co_return *added;
        }
        co_await env::with_deadline(shard_, deadline, completed_.until(is_settled));
    }
}

Task<std::vector<ErrorCode>> TransactionHost::verify_partitions(
    std::string transactional_id, ProducerIdAndEpoch producer,
    std::vector<TopicPartition> partitions) {
    auto codes = co_await log_.run([&] {
        return transactions::Decision<std::vector<ErrorCode>>{
            coordinator_.verify_partitions(transactional_id, producer, partitions), {}};
    });
    if (codes) co_return *std::move(codes);
    co_return std::vector<ErrorCode>(partitions.size(), codes.error());
}

Task<ProducerAnswer> TransactionHost::end(transactions::EndTransaction asked) {
    co_return co_await decide([&](const Terms& terms) { return coordinator_.end(asked, terms); });
}

// Ends -----------------------------------------------------------------------------------------

// No marker is written before its transaction's outcome is committed.
Task<void> TransactionHost::finish(std::string transactional_id) {
    std::optional<Ending> ending = coordinator_.ending(transactional_id);
    CHECK(ending);
    while (co_await log_.settled() != ErrorCode::none) {
        if (log_.is_stopped()) co_return;
        co_await env::sleep_for(shard_, append_backoff.first);
    }
    std::int32_t epoch = log_.partition().leader_epoch();
    if (co_await parts_.markers.write(*ending, epoch)) co_return co_await complete(*ending);
    LOG_WARN("the transaction of {} is left to the coordinator that has come after epoch {}",
             transactional_id, epoch);
}

Task<void> TransactionHost::complete(Ending ending) {
    for (int failures = 1;; ++failures) {
        auto completed = co_await log_.run([&] { return coordinator_.complete(ending, terms()); });
        if (completed || log_.is_stopped()) co_return;
        struct Counted {
            explicit Counted(TransactionMarkers& m) : markers(m) { markers.count_append_retry(1); }
            ~Counted() { markers.count_append_retry(-1); }
            TransactionMarkers& markers;
        } counted(parts_.markers);
        co_await env::sleep_for(shard_, append_backoff.after(failures, shard_.random()));
    }
}

// Until the scope ends.
Task<void> TransactionHost::abort_late() {
    auto interval = Duration::milliseconds(
        parts_.config.transaction_abort_timed_out_transaction_cleanup_interval_ms());
    for (;;) {
        co_await env::sleep_for(shard_, interval);
        for (const std::string& id : coordinator_.timed_out(shard_.wall_ms())) {
            ProducerAnswer answer = co_await decide(
                [&](const Terms& terms) { return coordinator_.time_out(id, terms); });
            if (answer.error == ErrorCode::none) {
                LOG_INFO("the transaction of {} is aborted: it was open for too long", id);
            } else if (answer.error != ErrorCode::invalid_txn_state) {
                LOG_WARN("the transaction of {} is open for too long, and cannot be aborted: {}",
                         id, name_of(answer.error));
            }
        }
    }
}

// Until the scope ends.
Task<void> TransactionHost::expire() {
    auto interval = Duration::milliseconds(
        parts_.config.transaction_remove_expired_transaction_cleanup_interval_ms());
    for (;;) {
        co_await env::sleep_for(shard_, interval);
        std::expected<int, ErrorCode> expired = 1;
        while (expired && *expired > 0) {
            expired = co_await log_.run([&] { return coordinator_.expire(shard_.wall_ms()); });
        }
        if (!expired) {
            LOG_WARN("expired transactional ids stay in {}: {}",
                     log_.partition().identity().to_string(), name_of(expired.error()));
        }
    }
}

}  // namespace millrace::broker
