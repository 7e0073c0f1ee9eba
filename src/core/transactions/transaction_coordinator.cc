#include "core/transactions/transaction_coordinator.h"

#include <algorithm>
#include <limits>

#include "core/transactions/transaction_records.h"

namespace millrace::transactions {
namespace {

// Of transactions that an outside coordinator ends (KIP-939): they never time out.
constexpr std::int32_t no_timeout = std::numeric_limits<std::int32_t>::max();

Decision<ProducerAnswer> refused(ErrorCode error) { return {{.error = error}, {}}; }
Decision<ProducerAnswer> wants_producer_id() { return {{.wants_producer_id = true}, {}}; }

bool may_expire(TransactionState state) {
    return state == TransactionState::empty || state == TransactionState::complete_commit ||
           state == TransactionState::complete_abort;
}

bool is_over(const Transaction& transaction, Timestamp now) {
    return transaction.is_open() && transaction.timeout_ms != no_timeout &&
           transaction.started + transaction.timeout_ms < now;
}

Transaction changed(const Transaction& current, TransactionState state, Timestamp now) {
    Transaction next = current;
    next.state = state;
    next.previous_producer_id = current.producer.id;
    next.updated = now;
    return next;
}

// Who holds them once the markers are written.
ProducerIdAndEpoch producer_after(const Transaction& ending) {
    bool moves =
        ending.client_version >= epoch_bump_version && ending.next_producer_id != no_producer_id;
    return moves ? ProducerIdAndEpoch{ending.next_producer_id, 0} : ending.producer;
}

}  // namespace

const Transaction* TransactionCoordinator::find(const std::string& transactional_id) const {
    auto found = transactions_.find(transactional_id);
    return found == transactions_.end() ? nullptr : &found->second;
}

Result<> TransactionCoordinator::apply(const coordinator::Record& record) {
    ASSIGN_OR_RETURN(auto entry, parse(record));
    if (!entry) return {};
    if (!entry->transaction) {
        transactions_.erase(entry->transactional_id);
        last_epochs_.erase(entry->transactional_id);
        return {};
    }
    Transaction& transaction = transactions_[entry->transactional_id];
    transaction = *std::move(entry->transaction);
    auto last = last_epochs_.find(entry->transactional_id);
    if (last != last_epochs_.end() && last->second.producer == transaction.producer) {
        transaction.last_epoch = last->second.epoch;
    }
    return {};
}

template <typename Response>
Decision<Response> TransactionCoordinator::change(const std::string& transactional_id,
                                                  Transaction next, Response response,
                                                  const Terms& terms) {
    last_epochs_[transactional_id] = {next.producer, next.last_epoch};
    return {std::move(response), {transaction_record(transactional_id, next, terms.version)}};
}

// InitProducerId -------------------------------------------------------------------------------

Decision<ProducerAnswer> TransactionCoordinator::init_producer_id(const InitProducerId& asked,
                                                                  const Terms& terms) {
    if (asked.transactional_id.empty()) return refused(ErrorCode::invalid_request);
    if (asked.two_phase_commit && !options_.two_phase_commit) {
        return refused(ErrorCode::transactional_id_authorization_failed);
    }
    if (asked.keep_prepared) return refused(ErrorCode::unsupported_version);
    bool valid = asked.timeout_ms > 0 && asked.timeout_ms <= options_.max_timeout_ms;
    if (!asked.two_phase_commit && !valid) return refused(ErrorCode::invalid_transaction_timeout);
    Transaction unknown;
    const Transaction* current = find(asked.transactional_id);
    if (current == nullptr) {
        if (!terms.fresh_producer_id) return wants_producer_id();
        unknown.producer = {*terms.fresh_producer_id, no_producer_epoch};
        current = &unknown;
    }
    if (current->is_ending()) return refused(ErrorCode::concurrent_transactions);
    const auto& expected = asked.expected;
    // Of a producer that has moved on to another id, whose answer was lost.
    bool moved =
        expected && expected->id == current->previous_producer_id && is_exhausted(expected->epoch);
    if (expected && current->producer.epoch != no_producer_epoch &&
        expected->id != current->producer.id && !moved) {
        return refused(ErrorCode::producer_fenced);
    }
    if (!current->is_open()) return next_epoch(asked, *current, terms);
    auto fenced = fence(asked.transactional_id, terms);
    if (fenced.response.error == ErrorCode::none && !fenced.response.wants_producer_id) {
        fenced.response = {.error = ErrorCode::concurrent_transactions};
    }
    return fenced;
}

Decision<ProducerAnswer> TransactionCoordinator::next_epoch(const InitProducerId& asked,
                                                            const Transaction& current,
                                                            const Terms& terms) {
    const auto& expected = asked.expected;
    Transaction next = changed(current, TransactionState::empty, terms.now);
    next.timeout_ms = asked.two_phase_commit ? no_timeout : asked.timeout_ms;
    next.partitions.clear();
    next.started = -1;
    std::int16_t epoch = current.producer.epoch;
    if (is_exhausted(epoch)) {
        if (expected && expected->epoch != epoch) return refused(ErrorCode::unknown_server_error);
        if (!terms.fresh_producer_id) return wants_producer_id();
        next.producer = {*terms.fresh_producer_id, 0};
        next.last_epoch = expected ? epoch : no_producer_epoch;
    } else if (!expected || epoch == no_producer_epoch || expected->epoch == epoch) {
        next.producer.epoch = static_cast<std::int16_t>(epoch + 1);
        next.last_epoch = expected ? epoch : no_producer_epoch;
    } else if (expected->epoch != current.last_epoch) {
        return refused(ErrorCode::producer_fenced);
    }
    ProducerAnswer answer{.producer = next.producer};
    return change(asked.transactional_id, std::move(next), answer, terms);
}

// Partitions -----------------------------------------------------------------------------------

Decision<ErrorCode> TransactionCoordinator::add_partitions(
    const std::string& transactional_id, const ProducerIdAndEpoch& producer,
    const std::vector<TopicPartition>& partitions, std::int16_t client_version,
    const Terms& terms) {
    if (transactional_id.empty()) return {ErrorCode::invalid_request, {}};
    const Transaction* current = find(transactional_id);
    if (current == nullptr) return {ErrorCode::invalid_producer_id_mapping, {}};
    // First, as the producer may know its next id already.
    if (current->is_ending()) return {ErrorCode::concurrent_transactions, {}};
    if (current->producer.id != producer.id) return {ErrorCode::invalid_producer_id_mapping, {}};
    if (current->producer.epoch != producer.epoch) return {ErrorCode::producer_fenced, {}};
    Transaction next = changed(*current, TransactionState::ongoing, terms.now);
    next.partitions.insert(partitions.begin(), partitions.end());
    if (current->is_open() && next.partitions.size() == current->partitions.size()) {
        return {ErrorCode::none, {}};
    }
    if (!current->is_open()) next.started = terms.now;
    next.client_version = client_version;
    return change(transactional_id, std::move(next), ErrorCode::none, terms);
}

std::vector<ErrorCode> TransactionCoordinator::verify_partitions(
    const std::string& transactional_id, const ProducerIdAndEpoch& producer,
    const std::vector<TopicPartition>& partitions) const {
    const Transaction* current = find(transactional_id);
    ErrorCode error = ErrorCode::none;
    if (transactional_id.empty()) {
        error = ErrorCode::invalid_request;
    } else if (current == nullptr || current->producer.id != producer.id) {
        error = ErrorCode::invalid_producer_id_mapping;
    } else if (current->producer.epoch != producer.epoch) {
        error = ErrorCode::producer_fenced;
    } else if (current->is_ending()) {
        error = ErrorCode::concurrent_transactions;
    }
    std::vector<ErrorCode> errors(partitions.size(), error);
    if (error != ErrorCode::none) return errors;
    for (std::size_t i = 0; i < partitions.size(); ++i) {
        if (!current->partitions.contains(partitions[i])) {
            errors[i] = ErrorCode::transaction_abortable;
        }
    }
    return errors;
}

// Ends -----------------------------------------------------------------------------------------

Decision<ProducerAnswer> TransactionCoordinator::end(const EndTransaction& asked,
                                                     const Terms& terms) {
    if (asked.transactional_id.empty()) return refused(ErrorCode::invalid_request);
    const Transaction* current = find(asked.transactional_id);
    if (current == nullptr) return refused(ErrorCode::invalid_producer_id_mapping);
    return asked.client_version >= epoch_bump_version ? end_with_bump(asked, *current, terms)
                                                      : end_without_bump(asked, *current, terms);
}

Decision<ProducerAnswer> TransactionCoordinator::end_without_bump(const EndTransaction& asked,
                                                                  const Transaction& current,
                                                                  const Terms& terms) {
    if (current.producer.id != asked.producer.id) {
        return refused(ErrorCode::invalid_producer_id_mapping);
    }
    if (current.producer.epoch != asked.producer.epoch) return refused(ErrorCode::producer_fenced);
    switch (current.state) {
        case TransactionState::ongoing: {
            Transaction next = changed(
                current,
                asked.commit ? TransactionState::prepare_commit : TransactionState::prepare_abort,
                terms.now);
            next.next_producer_id = no_producer_id;
            next.client_version = 0;
            ProducerAnswer answer{.producer = next.producer};
            return change(asked.transactional_id, std::move(next), answer, terms);
        }
        case TransactionState::complete_commit:
        case TransactionState::complete_abort:
            if (asked.commit == (current.state == TransactionState::complete_commit)) {
                return {{.producer = current.producer}, {}};
            }
            return refused(ErrorCode::invalid_txn_state);
        case TransactionState::prepare_commit:
        case TransactionState::prepare_abort:
            return refused(ErrorCode::concurrent_transactions);
        default:
            return refused(ErrorCode::invalid_txn_state);
    }
}

// An answer that was lost is asked for again with the epoch before; with the current epoch it is
// the next transaction's, which may be aborted though no partition has joined it.
Decision<ProducerAnswer> TransactionCoordinator::end_with_bump(const EndTransaction& asked,
                                                               const Transaction& current,
                                                               const Terms& terms) {
    if (current.is_ending()) return refused(ErrorCode::concurrent_transactions);
    bool completed = current.state == TransactionState::complete_commit ||
                     current.state == TransactionState::complete_abort;
    bool moved = current.previous_producer_id == asked.producer.id &&
                 asked.producer.epoch == largest_epoch - 1 && current.producer.epoch == 0;
    bool again = moved || current.producer.epoch == asked.producer.epoch + 1;
    if (current.producer.id != asked.producer.id && !moved) {
        return refused(ErrorCode::invalid_producer_id_mapping);
    }
    bool valid = current.producer.epoch == asked.producer.epoch || (completed && again);
    if (!valid) return refused(ErrorCode::producer_fenced);
    if (current.is_open()) return prepare(asked.transactional_id, current, asked.commit, terms);
    if (completed && again) {
        bool is_it = asked.commit == (current.state == TransactionState::complete_commit);
        if (!is_it) return refused(ErrorCode::invalid_txn_state);
        return {{.producer = current.producer}, {}};
    }
    if (asked.commit) return refused(ErrorCode::invalid_txn_state);
    return prepare(asked.transactional_id, current, false, terms);
}

// Fenced as by an end of its own, the producer cannot tell which one it was.
Decision<ProducerAnswer> TransactionCoordinator::fence(const std::string& transactional_id,
                                                       const Terms& terms) {
    const Transaction* current = find(transactional_id);
    if (current == nullptr || !current->is_open()) return refused(ErrorCode::invalid_txn_state);
    if (terms.version >= epoch_bump_version) {
        return prepare(transactional_id, *current, false, terms);
    }
    Transaction next = changed(*current, TransactionState::prepare_abort, terms.now);
    if (next.producer.epoch < largest_epoch) ++next.producer.epoch;
    next.last_epoch = no_producer_epoch;
    next.next_producer_id = no_producer_id;
    next.client_version = 0;
    ProducerAnswer answer{.producer = next.producer};
    return change(transactional_id, std::move(next), answer, terms);
}

Decision<ProducerAnswer> TransactionCoordinator::prepare(const std::string& transactional_id,
                                                         const Transaction& current, bool commit,
                                                         const Terms& terms) {
    Transaction next = changed(
        current, commit ? TransactionState::prepare_commit : TransactionState::prepare_abort,
        terms.now);
    next.next_producer_id = no_producer_id;
    if (is_exhausted(current.producer.epoch)) {
        if (!terms.fresh_producer_id) return wants_producer_id();
        next.next_producer_id = *terms.fresh_producer_id;
    }
    if (next.producer.epoch < largest_epoch) ++next.producer.epoch;
    next.last_epoch = current.producer.epoch;
    if (!current.is_open()) {
        next.started = terms.now;
        next.partitions.clear();
    }
    next.client_version = epoch_bump_version;
    ProducerAnswer answer{.producer = producer_after(next)};
    return change(transactional_id, std::move(next), answer, terms);
}

std::optional<Ending> TransactionCoordinator::ending(const std::string& transactional_id) const {
    const Transaction* current = find(transactional_id);
    if (current == nullptr || !current->is_ending()) return std::nullopt;
    return Ending{.transactional_id = transactional_id,
                  .producer = current->producer,
                  .commit = current->state == TransactionState::prepare_commit,
                  .version = current->client_version,
                  .partitions = current->partitions};
}

std::vector<std::string> TransactionCoordinator::ending_ids() const {
    std::vector<std::string> ids;
    for (const auto& [id, transaction] : transactions_) {
        if (transaction.is_ending()) ids.push_back(id);
    }
    return ids;
}

Decision<ErrorCode> TransactionCoordinator::complete(const Ending& ending, const Terms& terms) {
    const Transaction* current = find(ending.transactional_id);
    bool is_it = current != nullptr && current->is_ending() && current->producer == ending.producer;
    if (!is_it) return {ErrorCode::invalid_txn_state, {}};
    Transaction next = changed(
        *current,
        ending.commit ? TransactionState::complete_commit : TransactionState::complete_abort,
        terms.now);
    next.producer = producer_after(*current);
    next.next_producer_id = no_producer_id;
    next.partitions.clear();
    return change(ending.transactional_id, std::move(next), ErrorCode::none, terms);
}

// Time -----------------------------------------------------------------------------------------

std::vector<std::string> TransactionCoordinator::timed_out(Timestamp now) const {
    std::vector<std::string> ids;
    for (const auto& [id, transaction] : transactions_) {
        if (is_over(transaction, now)) ids.push_back(id);
    }
    return ids;
}

Decision<ProducerAnswer> TransactionCoordinator::time_out(const std::string& transactional_id,
                                                          const Terms& terms) {
    const Transaction* current = find(transactional_id);
    if (current == nullptr || !is_over(*current, terms.now)) {
        return refused(ErrorCode::invalid_txn_state);
    }
    return fence(transactional_id, terms);
}

Decision<int> TransactionCoordinator::expire(Timestamp now) const {
    Decision<int> decision{};
    for (const auto& [id, transaction] : transactions_) {
        if (decision.records.size() >= max_expired) break;
        bool over = transaction.updated <= now - options_.expiration_ms;
        if (over && may_expire(transaction.state)) {
            decision.records.push_back(transaction_tombstone(id));
        }
    }
    decision.response = static_cast<int>(decision.records.size());
    return decision;
}

// What others are told -------------------------------------------------------------------------

std::vector<ListTransactionsResponse::TransactionState> TransactionCoordinator::list(
    const TransactionFilter& filter, Timestamp now) const {
    std::vector<ListTransactionsResponse::TransactionState> listed;
    auto among = [](const auto& wanted, const auto& value) {
        return wanted.empty() || std::ranges::find(wanted, value) != wanted.end();
    };
    for (const auto& [id, transaction] : transactions_) {
        if (!among(filter.producer_ids, transaction.producer.id)) continue;
        if (!among(filter.states, to_string(transaction.state))) continue;
        bool is_young = now - transaction.started <= filter.min_duration_ms;
        if (filter.min_duration_ms >= 0 && is_young) continue;
        if (filter.matches && !filter.matches(id)) continue;
        listed.push_back({.transactional_id = id,
                          .producer_id = transaction.producer.id,
                          .transaction_state = std::string(to_string(transaction.state))});
    }
    return listed;
}

DescribeTransactionsResponse::TransactionState TransactionCoordinator::describe(
    const std::string& transactional_id) const {
    DescribeTransactionsResponse::TransactionState told;
    told.transactional_id = transactional_id;
    const Transaction* transaction = find(transactional_id);
    if (transactional_id.empty())
        told.error_code = ErrorCode::invalid_request;
    else if (transaction == nullptr)
        told.error_code = ErrorCode::transactional_id_not_found;
    if (told.error_code != ErrorCode::none) return told;
    told.transaction_state = to_string(transaction->state);
    told.transaction_timeout_ms = transaction->timeout_ms;
    told.transaction_start_time_ms = transaction->started;
    told.producer_id = transaction->producer.id;
    told.producer_epoch = transaction->producer.epoch;
    for (const TopicPartition& each : transaction->partitions) {
        if (told.topics.empty() || told.topics.back().topic != each.topic) {
            told.topics.emplace_back().topic = each.topic;
        }
        told.topics.back().partitions.push_back(each.partition);
    }
    return told;
}

}  // namespace millrace::transactions
