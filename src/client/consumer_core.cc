#include "client/consumer_core.h"

#include <algorithm>
#include <fmt/format.h>

#include "client/log.h"
#include "client/retry.h"

namespace millrace::client {
namespace {

FetchOptions fetch_options(const ConsumerConfig& config) {
    FetchOptions options;
    options.decode.read_committed = config.isolation() == IsolationLevel::read_committed;
    options.decode.check_crcs = config.check_crcs();
    options.isolation = config.isolation();
    options.rack = config.client_rack();
    options.min_bytes = config.fetch_min_bytes();
    options.max_bytes = config.fetch_max_bytes();
    options.max_partition_bytes = config.max_partition_fetch_bytes();
    options.max_wait = Duration::milliseconds(config.fetch_max_wait_ms());
    options.request_timeout = Duration::milliseconds(config.request_timeout_ms());
    options.metadata_max_age = Duration::milliseconds(config.metadata_max_age_ms());
    options.reset = config.offset_reset();
    options.retry = config.cluster().retry;
    return options;
}

CoordinatedOptions coordinated_options(const ConsumerConfig& config) {
    CoordinatedOptions options;
    options.group_id = config.group_id().value_or("");
    if (config.group_instance_id()) options.instance_id = std::string(*config.group_instance_id());
    if (!config.client_rack().empty()) options.rack = config.client_rack();
    if (config.group_remote_assignor())
        options.assignor = std::string(*config.group_remote_assignor());
    options.rebalance_timeout = Duration::milliseconds(config.max_poll_interval_ms());
    options.request_timeout = Duration::milliseconds(config.request_timeout_ms());
    options.retry = config.cluster().retry;
    return options;
}

GroupMemberOptions member_options(const ConsumerConfig& config) {
    GroupMemberOptions options;
    options.group_id = config.group_id().value_or("");
    if (config.group_instance_id()) options.instance_id = std::string(*config.group_instance_id());
    if (!config.client_rack().empty()) options.rack = config.client_rack();
    options.session_timeout = Duration::milliseconds(config.session_timeout_ms());
    options.rebalance_timeout = Duration::milliseconds(config.max_poll_interval_ms());
    options.heartbeat_interval = Duration::milliseconds(config.heartbeat_interval_ms());
    options.request_timeout = Duration::milliseconds(config.request_timeout_ms());
    options.retry = config.cluster().retry;
    return options;
}

}  // namespace

Result<std::unique_ptr<ConsumerCore>> ConsumerCore::create(Cluster& cluster,
                                                           ConsumerConfig config) {
    std::vector<std::unique_ptr<Assignor>> assignors;
    for (const std::string& name : config.assignors()) {
        ASSIGN_OR_RETURN(std::unique_ptr<Assignor> assignor, assignor_named(name));
        assignors.push_back(std::move(assignor));
    }
    return std::make_unique<ConsumerCore>(cluster, std::move(config), std::move(assignors));
}

ConsumerCore::ConsumerCore(Cluster& cluster, ConsumerConfig config,
                           std::vector<std::unique_ptr<Assignor>> assignors)
    : cluster_(cluster), shard_(cluster.shard()), config_(std::move(config)), scope_(shard_) {
    bool grouped = config_.group_id() && !config_.group_id()->empty();
    if (grouped && config_.is_coordinated()) {
        auto member = std::make_unique<CoordinatedMembership>(
            cluster, changed_, coordinated_options(config_), &beat_consumer_group, true);
        coordinated_ = member.get();
        member_ = std::move(member);
    } else if (grouped) {
        auto member = std::make_unique<GroupMember>(cluster, std::move(assignors), changed_,
                                                    member_options(config_));
        classic_ = member.get();
        member_ = std::move(member);
    }
    fetcher_ = std::make_unique<Fetcher>(cluster, partitions_, changed_, fetch_options(config_));
    next_commit_ = shard_.now() + Duration::milliseconds(config_.auto_commit_interval_ms());
}

Time ConsumerCore::api_deadline() const {
    return shard_.now() + Duration::milliseconds(config_.default_api_timeout_ms());
}

Result<> ConsumerCore::choose(Mode mode) {
    if (mode_ != Mode::none && mode_ != mode)
        return fail(ErrorCode::invalid_request,
                    "This consumer has a subscription of another kind (topics, a pattern or "
                    "partitions by hand); unsubscribe() first");
    mode_ = mode;
    return {};
}

Result<> ConsumerCore::need_group() const {
    if (member_) return {};
    return fail(ErrorCode::invalid_group_id,
                "Subscribing and committing need a group: set group.id, or assign partitions by "
                "hand and do not commit");
}

Result<> ConsumerCore::subscribe(std::vector<std::string> topics, RebalanceListener* listener) {
    RETURN_IF_ERROR(need_group());
    if (topics.empty())
        return fail(ErrorCode::invalid_request,
                    "subscribe() names no topic; unsubscribe() ends a subscription");
    RETURN_IF_ERROR(choose(Mode::topics));
    std::set<std::string> wanted(topics.begin(), topics.end());
    for (const std::string& topic : wanted) cluster_.track(topic);
    listener_ = listener;
    topics_moved_ = topics_moved_ || wanted != topics_;
    topics_ = std::move(wanted);
    return {};
}

Result<> ConsumerCore::subscribe_pattern(const std::string& pattern, RebalanceListener* listener) {
    RETURN_IF_ERROR(need_group());
    ASSIGN_OR_RETURN(TopicPattern compiled, TopicPattern::parse(pattern));
    RETURN_IF_ERROR(choose(Mode::pattern));
    pattern_ = std::move(compiled);
    pattern_text_ = pattern;
    listener_ = listener;
    matched_generation_ = 0;
    topics_moved_ = true;
    if (classic_ != nullptr) cluster_.track_all(true);
    return {};
}

void ConsumerCore::match_pattern() {
    const ClusterMetadata& metadata = *cluster_.metadata();
    if (mode_ != Mode::pattern || metadata.generation() == matched_generation_) return;
    matched_generation_ = metadata.generation();
    std::set<std::string> matching;
    for (const auto& [name, info] : metadata.topics()) {
        bool wanted = info->error == ErrorCode::none && !info->partitions.empty() &&
                      !(info->internal && config_.exclude_internal_topics());
        if (wanted && pattern_->matches(name)) matching.insert(name);
    }
    if (matching == topics_) return;
    topics_ = std::move(matching);
    topics_moved_ = true;
}

Result<> ConsumerCore::assign(const Partitions& partitions) {
    if (partitions.empty() && mode_ == Mode::none) return {};
    RETURN_IF_ERROR(choose(Mode::by_hand));
    for (const TopicPartition& partition : partitions) cluster_.track(partition.topic);
    partitions_.assign(partitions);
    changed_.raise();
    fetcher_->wake();
    return {};
}

Task<void> ConsumerCore::unsubscribe(std::string reason, Time deadline) {
    bool grouped = mode_ == Mode::topics || mode_ == Mode::pattern;
    Partitions had = partitions_.names();
    if (grouped) {
        co_await commit_before_rebalance();
        if (listener_ != nullptr && !had.empty()) co_await listener_->revoked(had);
        co_await member_->leave(std::move(reason), deadline);
    }
    if (mode_ == Mode::pattern && classic_ != nullptr) cluster_.track_all(false);
    // A topic that is deleted later must not be made again by asking for it.
    for (const std::string& topic : topics_) cluster_.untrack(topic);
    for (const TopicPartition& partition : had) cluster_.untrack(partition.topic);
    partitions_.assign({});
    topics_.clear();
    pattern_.reset();
    pattern_text_.clear();
    names_.clear();
    mode_ = Mode::none;
    topics_moved_ = false;
    listener_ = nullptr;
    fetcher_->wake();
}

std::optional<Error> ConsumerCore::take_error() {
    if (error_) return std::exchange(error_, std::nullopt);
    return member_ ? member_->take_error() : std::nullopt;
}

Task<Result<ConsumerRecords>> ConsumerCore::poll(Duration timeout) {
    if (mode_ == Mode::none)
        co_return fail(ErrorCode::invalid_request,
                       "poll() before subscribe() or assign(): there is nothing to read");
    InPoll in_poll(member_.get());
    Time deadline = shard_.now() + timeout;
    for (;;) {
        std::uint64_t seen = changed_.count();
        CO_RETURN_IF_ERROR(co_await update_membership());
        look_for_positions();
        if (std::optional<Error> error = take_error()) co_return fail(*std::move(error));
        commit_if_due();
        auto records = partitions_.take(static_cast<std::size_t>(config_.max_poll_records()));
        // Also when nothing came out: aborted records and markers have made room.
        fetcher_->wake();
        if (!records || !records->empty() || shard_.now() >= deadline) co_return records;
        Time until = commits_by_itself() ? std::min(deadline, next_commit_) : deadline;
        co_await env::with_deadline(shard_, until, changed_.changed_since(seen));
    }
}

PartitionOffsets ConsumerCore::positions() const {
    PartitionOffsets offsets;
    for (const auto& [name, partition] : partitions_.all()) {
        if (partition.position < 0 || partition.need == AssignedPartition::Need::reset) continue;
        offsets[name] = {partition.position, partition.position_epoch, ""};
    }
    return offsets;
}

// Who commits: nobody does where the group has not, or no longer, got this member.
Result<Committer> ConsumerCore::committer() const {
    const Committer& me = member_->committer();
    if (mode_ == Mode::by_hand || mode_ == Mode::none)
        return Committer{me.group_id, "", std::nullopt, -1};
    if (me.generation < 0)
        return fail(ErrorCode::unknown_member_id,
                    fmt::format("This consumer is not a member of group {} now; the partitions may "
                                "be another member's by now: go on with poll()",
                                me.group_id));
    return me;
}

template <typename T, typename Ask>
Task<Result<T>> ConsumerCore::as_member(Ask ask) {
    for (;;) {
        ASSIGN_OR_CO_RETURN(Committer as, committer());
        Result<T> outcome = co_await ask(as);
        bool stale = !outcome && outcome.error().code == ErrorCode::stale_member_epoch;
        if (!stale || coordinated_ == nullptr || as.generation < 0) co_return outcome;
        for (;;) {
            std::uint64_t seen = changed_.count();
            if (member_->committer().generation != as.generation) break;
            co_await changed_.changed_since(seen);
        }
    }
}

Task<Result<PartitionOffsets>> ConsumerCore::committed_once(Partitions partitions) {
    bool stable = config_.isolation() == IsolationLevel::read_committed;
    Committer outsider{std::string(*config_.group_id()), "", std::nullopt, -1};
    auto ask = [&](Committer as) {
        return fetch_offsets_once(cluster_, std::move(as), partitions, stable);
    };
    // Anybody may ask; a member is told when its partitions may be somebody else's.
    if (coordinated_ == nullptr || !coordinated_->is_settled() || mode_ == Mode::by_hand)
        co_return co_await ask(outsider);
    co_return co_await as_member<PartitionOffsets>(ask);
}

Task<Result<>> ConsumerCore::commit(PartitionOffsets offsets, Time deadline) {
    CO_RETURN_IF_ERROR(need_group());
    if (offsets.empty()) co_return Result<>();
    std::string what = fmt::format("committing offsets of group {}", *config_.group_id());
    auto attempt = [&]() {
        return as_member<void>(
            [&](Committer as) { return commit_offsets_once(cluster_, std::move(as), offsets); });
    };
    co_return co_await with_retries(cluster_, std::move(what), deadline, attempt);
}

Task<Result<PartitionOffsets>> ConsumerCore::committed(Partitions partitions, Time deadline) {
    CO_RETURN_IF_ERROR(need_group());
    std::string what = fmt::format("reading committed offsets of group {}", *config_.group_id());
    auto attempt = [&]() { return committed_once(partitions); };
    co_return co_await with_retries(cluster_, std::move(what), deadline, attempt);
}

Task<void> ConsumerCore::commit_quietly(PartitionOffsets offsets) {
    Result<> done = co_await commit(std::move(offsets), api_deadline());
    committing_ = false;
    if (!done) LOG_WARN("{}", done.error().message);
}

void ConsumerCore::commit_in_background() {
    // One at a time: a later one must not be overtaken by an earlier one.
    if (std::exchange(committing_, true)) return;
    scope_.spawn(commit_quietly(positions()));
}

void ConsumerCore::commit_if_due() {
    if (!commits_by_itself() || shard_.now() < next_commit_) return;
    next_commit_ = shard_.now() + Duration::milliseconds(config_.auto_commit_interval_ms());
    if (member_->is_settled() || mode_ == Mode::by_hand) commit_in_background();
}

Task<void> ConsumerCore::close() {
    alarm_.stop();
    co_await scope_.close();
    co_await fetcher_->close();
    if (member_) co_await member_->close();
}

}  // namespace millrace::client
