#include "client/share_fetcher.h"

#include <algorithm>
#include <fmt/format.h>

#include "client/gather.h"
#include "client/log.h"

namespace millrace::client {
namespace {

ShareSession::AcknowledgedPartitions merged(const std::vector<Parcel>& parcels) {
    ShareSession::AcknowledgedPartitions all;
    for (const Parcel& parcel : parcels) {
        Acknowledgements& ranges = all[parcel.answers.partition];
        ranges.insert(ranges.end(), parcel.answers.ranges.begin(), parcel.answers.ranges.end());
    }
    for (auto& [partition, ranges] : all) std::ranges::sort(ranges, {}, &AcknowledgedRange::first);
    return all;
}

bool renews(const Parcel& parcel) {
    return std::ranges::any_of(parcel.answers.ranges, [](const AcknowledgedRange& range) {
        return range.type == AcknowledgeType::renew;
    });
}

// What is held of a leader is not held any more when another one leads.
bool is_of_leader(ErrorCode code) {
    return code == ErrorCode::not_leader_or_follower || code == ErrorCode::fenced_leader_epoch ||
           code == ErrorCode::unknown_topic_or_partition || code == ErrorCode::unknown_topic_id;
}

Error session_is_gone() {
    return {ErrorCode::not_leader_or_follower,
            "The share session in which these records were acquired is gone, and with it their "
            "locks: they are given out again"};
}

Result<> outcome_of(ErrorCode code, const std::optional<std::string>& words,
                    const std::string& broker) {
    if (code == ErrorCode::none) return {};
    std::string_view why = words && !words->empty() ? std::string_view(*words) : meaning_of(code);
    return fail(code, fmt::format("{} did not take what became of records: {} ({})", broker, why,
                                  name_of(code)));
}

}  // namespace

ShareFetcher::ShareFetcher(Cluster& cluster, Signal& changed, ShareFetchOptions options,
                           OnSettled on_settled)
    : cluster_(cluster),
      shard_(cluster.shard()),
      changed_(changed),
      options_(std::move(options)),
      on_settled_(std::move(on_settled)),
      scope_(shard_) {
    scope_.spawn(run());
    scope_.spawn(watch_metadata());
}

void ShareFetcher::wake() {
    if (std::exchange(woken_, true)) return;
    wake_.notify_all();
}

Task<void> ShareFetcher::close() {
    alarm_.stop();
    co_await scope_.close();
}

Task<void> ShareFetcher::run() {
    for (;;) {
        woken_ = false;
        ask_where_due();
        while (!woken_) co_await wake_.wait();
    }
}

Task<void> ShareFetcher::watch_metadata() {
    for (;;) {
        co_await cluster_.changed_since(cluster_.metadata()->generation());
        wake();
    }
}

void ShareFetcher::assign(TopicIdPartitions partitions) {
    assigned_ = std::move(partitions);
    wake();
}

void ShareFetcher::want_records() {
    wants_records_ = true;
    wake();
}

void ShareFetcher::acknowledge(Parcel parcel) {
    Node& node = node_of(parcel.answers.node);
    node.parcels.push_back(std::move(parcel));
    wake();
}

ShareFetcher::Node& ShareFetcher::node_of(std::int32_t id) {
    return nodes_.try_emplace(id, ShareSession(options_.group_id, options_.member_id))
        .first->second;
}

std::string ShareFetcher::name_of(const SharePartition& partition) const {
    auto found = names_.find(partition.topic_id);
    return found == names_.end() ? partition.topic_id.to_string() : found->second;
}

// By leader, as far as there is one.
ShareFetcher::Wanted ShareFetcher::wanted() {
    Wanted wanted;
    const ClusterMetadata& metadata = *cluster_.metadata();
    for (const auto& [topic_id, indexes] : assigned_) {
        const TopicInfo* topic = metadata.topic(topic_id);
        if (topic != nullptr) names_[topic_id] = topic->name;
        for (std::int32_t index : indexes) {
            const PartitionInfo* info = topic == nullptr ? nullptr : topic->partition(index);
            if (info == nullptr || info->leader_id < 0) {
                if (wants_records_) cluster_.request_refresh();
            } else {
                wanted[info->leader_id].insert({topic_id, index});
            }
        }
    }
    return wanted;
}

// Of record_limit: one broker after the other.
std::optional<std::int32_t> ShareFetcher::next_to_fetch(const Wanted& wanted) const {
    if (wanted.empty() || fetching_ > 0) return std::nullopt;
    auto next = wanted.upper_bound(last_fetched_);
    return next == wanted.end() ? wanted.begin()->first : next->first;
}

void ShareFetcher::ask_where_due() {
    alarm_.stop();
    if (ending_) return;
    Time now = shard_.now();
    next_ = Time::never();
    Wanted targets = wanted();
    std::optional<std::int32_t> only = next_to_fetch(targets);
    std::set<std::int32_t> ids;
    for (const auto& [id, partitions] : targets) ids.insert(id);
    for (const auto& [id, node] : nodes_)
        if (!node.parcels.empty()) ids.insert(id);
    for (std::int32_t id : ids) {
        Node& node = node_of(id);
        auto target = targets.find(id);
        bool fetches =
            wants_records_ && target != targets.end() && (!options_.record_limit || only == id);
        if (node.busy || (!fetches && node.parcels.empty())) continue;
        if (node.not_before > now) {
            next_ = std::min(next_, node.not_before);
            continue;
        }
        ask(id, node, target == targets.end() ? std::set<SharePartition>() : target->second,
            fetches);
    }
    if (next_ != Time::never()) alarm_.start(shard_, next_);
}

void ShareFetcher::ask(std::int32_t id, Node& node, const std::set<SharePartition>& targets,
                       bool fetches) {
    std::vector<Parcel> sent = std::exchange(node.parcels, {});
    if (node.session.is_new()) settle_all(sent, fail(session_is_gone()));
    std::erase_if(sent, [&](const Parcel& parcel) {
        if (shard_.now() < parcel.deadline) return false;
        settle_one(parcel,
                   fail(ErrorCode::request_timed_out,
                        fmt::format("What became of records of {} could not be told in time",
                                    to_string(parcel.answers.name))));
        return true;
    });
    if (sent.empty() && !fetches) return;
    // What a fetch cannot carry goes before it: of partitions that are not read from any more, and
    // renewals, with which a broker gives no records.
    bool by_itself = !fetches || std::ranges::any_of(sent, [&](const Parcel& parcel) {
        return renews(parcel) || !targets.contains(parcel.answers.partition);
    });
    node.busy = true;
    if (by_itself && !sent.empty()) {
        ShareAcknowledgeRequest request = node.session.acknowledge(merged(sent));
        scope_.spawn(tell(id, std::move(request), std::move(sent)));
        return;
    }
    last_fetched_ = id;
    ++fetching_;
    ShareFetchRequest request = node.session.fetch(targets, merged(sent));
    scope_.spawn(fetch(id, std::move(request), std::move(sent)));
}

template <typename Request>
Task<Result<Reply<typename Request::Response>>> ShareFetcher::call(std::int32_t id,
                                                                   const Request& request,
                                                                   Duration timeout) {
    // All of a session goes by one connection: the broker ends the session with it.
    Cluster::Connected connected = co_await cluster_.broker(id, Lane::fetch);
    CO_RETURN_IF_ERROR(connected);
    CallOptions options;
    options.timeout = timeout;
    co_return co_await (*connected)->call(request, options);
}

Task<void> ShareFetcher::fetch(std::int32_t id, ShareFetchRequest request,
                               std::vector<Parcel> sent) {
    request.max_wait_ms = static_cast<std::int32_t>(options_.max_wait.ms());
    request.min_bytes = options_.min_bytes;
    request.max_bytes = options_.max_bytes;
    request.max_records = options_.max_records;
    request.batch_size = options_.max_records;
    request.share_acquire_mode = options_.record_limit ? 1 : 0;
    auto reply = co_await call(id, request, options_.request_timeout + options_.max_wait);
    Node& node = node_of(id);
    node.busy = false;
    --fetching_;
    if (reply) {
        take(id, *reply, sent);
    } else {
        LOG_DEBUG("A share fetch from broker {} failed: {}", id, reply.error().message);
        lose_session(id, node);
        settle_all(sent, fail(reply.error()));
        pause(node);
        cluster_.request_refresh();
        if (!is_retriable(reply.error().code)) error_ = reply.error();
    }
    changed_.raise();
    wake();
}

Task<void> ShareFetcher::tell(std::int32_t id, ShareAcknowledgeRequest request,
                              std::vector<Parcel> sent) {
    auto reply = co_await call(id, request, options_.request_timeout);
    Node& node = node_of(id);
    node.busy = false;
    std::string broker = fmt::format("Broker {}", id);
    if (!reply) {
        LOG_DEBUG("Acknowledgements for broker {} failed: {}", id, reply.error().message);
        lose_session(id, node);
        settle_all(sent, fail(reply.error()));
        pause(node);
    } else if (!node.session.answered(reply->response.error_code)) {
        if (node.session.is_new()) lose_session(id, node);
        settle_all(sent,
                   outcome_of(reply->response.error_code, reply->response.error_message, broker));
        pause(node);
    } else {
        node.failures = 0;
        if (reply->response.acquisition_lock_timeout_ms > 0)
            lock_timeout_ = Duration::milliseconds(reply->response.acquisition_lock_timeout_ms);
        for (const auto& topic : reply->response.responses) {
            for (const auto& data : topic.partitions)
                settle(node, sent, {topic.topic_id, data.partition_index},
                       outcome_of(data.error_code, data.error_message, broker));
        }
        settle_all(sent, outcome_of(ErrorCode::invalid_record_state, std::nullopt, broker));
    }
    changed_.raise();
    wake();
}

void ShareFetcher::take(std::int32_t id, const Reply<ShareFetchResponse>& reply,
                        std::vector<Parcel>& sent) {
    const ShareFetchResponse& response = reply.response;
    Node& node = node_of(id);
    std::string broker = fmt::format("Broker {}", id);
    ErrorCode code = response.error_code;
    if (!node.session.answered(code)) {
        LOG_DEBUG("{} answers a share fetch with {}", broker, millrace::name_of(code));
        bool ended = node.session.is_new();
        if (ended) lose_session(id, node);
        settle_all(sent, outcome_of(code, response.error_message, broker));
        if (!ended || code == ErrorCode::share_session_limit_reached) pause(node);
        if (!is_retriable(code) && !ended)
            error_ = Error{
                code,
                fmt::format("{} gives nothing to group {}: {} ({})", broker, options_.group_id,
                            response.error_message.value_or(std::string(meaning_of(code))),
                            millrace::name_of(code))};
        return;
    }
    node.failures = 0;
    if (response.throttle_time_ms > 0)
        node.not_before = shard_.now() + Duration::milliseconds(response.throttle_time_ms);
    if (response.acquisition_lock_timeout_ms > 0)
        lock_timeout_ = Duration::milliseconds(response.acquisition_lock_timeout_ms);
    bool failed = false;
    for (const auto& topic : response.responses) {
        for (const auto& data : topic.partitions) {
            SharePartition partition{topic.topic_id, data.partition_index};
            TopicPartition name{name_of(partition), partition.index};
            settle(node, sent, partition,
                   outcome_of(data.acknowledge_error_code, data.acknowledge_error_message, broker));
            if (data.error_code != ErrorCode::none) {
                failed = true;
                take_error_of(name, data, broker);
            } else if (!data.acquired_records.empty()) {
                wants_records_ = false;
                Slice bytes = data.records ? data.records->in_memory() : Slice();
                fetched_.push_back({id, partition,
                                    AcquiredRecords(name, std::move(bytes), data.acquired_records,
                                                    options_.decode)});
            }
        }
    }
    settle_all(sent, outcome_of(ErrorCode::invalid_record_state, std::nullopt, broker));
    if (failed) pause(node);
}

void ShareFetcher::take_error_of(const TopicPartition& name,
                                 const ShareFetchResponse::PartitionData& data,
                                 const std::string& broker) {
    ErrorCode code = data.error_code;
    if (data.current_leader.leader_id >= 0)
        cluster_.learn_leader(
            name, {data.current_leader.leader_id, data.current_leader.leader_epoch}, {});
    if (is_retriable(code) || is_of_leader(code) || code == ErrorCode::unknown_server_error) {
        LOG_DEBUG("{} gives nothing of {}: {}", broker, to_string(name), millrace::name_of(code));
        cluster_.request_refresh();
        return;
    }
    error_ = Error{code, fmt::format("{} gives nothing of {}: {} ({})", broker, to_string(name),
                                     data.error_message.value_or(std::string(meaning_of(code))),
                                     millrace::name_of(code))};
}

void ShareFetcher::settle(Node& node, std::vector<Parcel>& sent, const SharePartition& partition,
                          const Result<>& outcome) {
    bool again =
        !outcome && is_retriable(outcome.error().code) && !is_of_leader(outcome.error().code);
    std::erase_if(sent, [&](const Parcel& parcel) {
        if (parcel.answers.partition != partition) return false;
        if (again) {
            node.parcels.push_back(parcel);
        } else {
            settle_one(parcel, outcome);
        }
        return true;
    });
    if (again) pause(node);
}

void ShareFetcher::settle_all(std::vector<Parcel>& parcels, const Result<>& outcome) {
    for (const Parcel& parcel : std::exchange(parcels, {})) settle_one(parcel, outcome);
}

void ShareFetcher::settle_one(const Parcel& parcel, const Result<>& outcome) {
    if (parcel.commitment) {
        --parcel.commitment->left;
        auto [at, first] = parcel.commitment->outcomes.try_emplace(parcel.answers.name, outcome);
        if (!first && at->second) at->second = outcome;
    }
    on_settled_(parcel.answers, outcome);
    changed_.raise();
}

// What was acquired in the session is acquired no more.
void ShareFetcher::lose_session(std::int32_t id, Node& node) {
    node.session.lost();
    std::erase_if(fetched_, [&](const Fetched& fetched) { return fetched.node == id; });
    settle_all(node.parcels, fail(session_is_gone()));
}

void ShareFetcher::pause(Node& node) {
    ++node.failures;
    node.not_before = shard_.now() + options_.retry.after(node.failures, shard_.random());
}

Task<void> ShareFetcher::end_sessions(Time deadline) {
    ending_ = true;
    auto all_idle = [&]() -> Task<void> {
        for (;;) {
            std::uint64_t seen = changed_.count();
            if (std::ranges::none_of(nodes_, [](const auto& entry) { return entry.second.busy; }))
                co_return;
            co_await changed_.changed_since(seen);
        }
    };
    co_await env::with_deadline(shard_, deadline, all_idle());
    std::vector<Task<int>> ends;
    auto end_one = [this, deadline](std::int32_t id) -> Task<int> {
        Node& node = node_of(id);
        std::vector<Parcel> sent = std::exchange(node.parcels, {});
        ShareAcknowledgeRequest request = node.session.end(merged(sent));
        auto answered = co_await env::with_deadline(shard_, deadline,
                                                    call(id, request, options_.request_timeout));
        if (!answered || !*answered) {
            settle_all(sent, fail(session_is_gone()));
            co_return 0;
        }
        std::string broker = fmt::format("Broker {}", id);
        ShareAcknowledgeResponse& response = (*answered)->response;
        for (const auto& topic : response.responses) {
            for (const auto& data : topic.partitions) {
                SharePartition partition{topic.topic_id, data.partition_index};
                std::erase_if(sent, [&](const Parcel& parcel) {
                    if (parcel.answers.partition != partition) return false;
                    settle_one(parcel, outcome_of(data.error_code, data.error_message, broker));
                    return true;
                });
            }
        }
        settle_all(sent, outcome_of(response.error_code != ErrorCode::none
                                        ? response.error_code
                                        : ErrorCode::invalid_record_state,
                                    response.error_message, broker));
        co_return 0;
    };
    for (auto& [id, node] : nodes_) {
        if (node.busy || node.session.is_new()) {
            settle_all(node.parcels, fail(session_is_gone()));
            continue;
        }
        ends.push_back(end_one(id));
    }
    co_await gather(std::move(ends));
    fetched_.clear();
    ending_ = false;
    wants_records_ = false;
}

}  // namespace millrace::client
