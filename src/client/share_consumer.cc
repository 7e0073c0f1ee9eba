#include "client/share_consumer.h"

#include <algorithm>
#include <fmt/format.h>

#include "client/log.h"

namespace millrace::client {
namespace {

CoordinatedOptions member_options(const ShareConsumerConfig& config) {
    CoordinatedOptions options;
    options.group_id = config.group_id().value_or("");
    if (!config.client_rack().empty()) options.rack = config.client_rack();
    options.rebalance_timeout = Duration::milliseconds(config.max_poll_interval_ms());
    options.request_timeout = Duration::milliseconds(config.request_timeout_ms());
    options.retry = config.cluster().retry;
    return options;
}

ShareFetchOptions fetch_options(const ShareConsumerConfig& config, const Committer& member) {
    ShareFetchOptions options;
    options.group_id = member.group_id;
    options.member_id = member.member_id;
    options.decode.check_crcs = config.check_crcs();
    options.min_bytes = config.fetch_min_bytes();
    options.max_bytes = config.fetch_max_bytes();
    options.max_records = config.max_poll_records();
    options.record_limit = config.record_limit();
    options.max_wait = Duration::milliseconds(config.fetch_max_wait_ms());
    options.request_timeout = Duration::milliseconds(config.request_timeout_ms());
    options.retry = config.cluster().retry;
    return options;
}

}  // namespace

Result<std::unique_ptr<ShareConsumer>> ShareConsumer::create(Cluster& cluster,
                                                             ShareConsumerConfig config) {
    if (!config.group_id())
        return fail(ErrorCode::invalid_group_id,
                    "group.id is not set: name the share group to read as");
    return std::unique_ptr<ShareConsumer>(new ShareConsumer(cluster, std::move(config)));
}

ShareConsumer::ShareConsumer(Cluster& cluster, ShareConsumerConfig config)
    : cluster_(cluster), shard_(cluster.shard()), config_(std::move(config)) {
    member_ = std::make_unique<CoordinatedMembership>(cluster, changed_, member_options(config_),
                                                      &beat_share_group, false);
    auto settled = [this](const Answers& answers, const Result<>& outcome) {
        held_.settled(answers, outcome.has_value());
        if (on_acknowledged_) settled_.push_back({answers, outcome});
    };
    fetcher_ = std::make_unique<ShareFetcher>(
        cluster, changed_, fetch_options(config_, member_->committer()), std::move(settled));
}

ShareConsumer::~ShareConsumer() = default;

Result<> ShareConsumer::subscribe(std::vector<std::string> topics) {
    if (topics.empty())
        return fail(ErrorCode::invalid_request,
                    "subscribe() names no topic; unsubscribe() ends a subscription");
    std::set<std::string> wanted(topics.begin(), topics.end());
    for (const std::string& topic : wanted) cluster_.track(topic);
    topics_moved_ = topics_moved_ || wanted != topics_;
    topics_ = std::move(wanted);
    return {};
}

void ShareConsumer::follow_coordinator() {
    if (member_->take_lost()) fetcher_->assign({});
    GroupSubscription wanted{{topics_.begin(), topics_.end()}, ""};
    if (!member_->is_alive()) {
        member_->join(std::move(wanted));
    } else if (topics_moved_) {
        member_->subscribe(std::move(wanted));
    }
    topics_moved_ = false;
    if (const CoordinatedMember::Wish* wish = member_->wish()) {
        TopicIdPartitions partitions = wish->partitions;
        member_->follow(wish->number, partitions);
        fetcher_->assign(std::move(partitions));
    }
}

// As many batches as hold max.poll.records. The error of one that is broken comes alone, after
// what lies before it.
Result<ShareRecords> ShareConsumer::take_fetched() {
    if (broken_) return fail(*std::exchange(broken_, std::nullopt));
    ShareRecords given;
    auto& fetched = fetcher_->fetched();
    Time deadline = shard_.now() + Duration::milliseconds(config_.default_api_timeout_ms());
    while (!fetched.empty() && !broken_ &&
           given.count < static_cast<std::size_t>(config_.max_poll_records())) {
        ShareFetcher::Fetched& first = fetched.front();
        Result<std::optional<AcquiredBatch>> batch = first.records.next();
        Answers settled{first.node, first.partition, first.records.name(),
                        first.records.take_acknowledgements()};
        if (!settled.ranges.empty()) fetcher_->acknowledge({std::move(settled), deadline, nullptr});
        if (!batch) {
            broken_ = std::move(batch).error();
        } else if (!*batch) {
            fetched.pop_front();
        } else {
            held_.add(first.node, first.partition.topic_id, **batch, config_.explicit_mode());
            given.count += (*batch)->records.size();
            given.batches.push_back(**std::move(batch));
        }
    }
    if (!broken_ || !given.empty()) return given;
    return fail(*std::exchange(broken_, std::nullopt));
}

void ShareConsumer::tell(std::shared_ptr<Commitment> commitment) {
    Time deadline = shard_.now() + Duration::milliseconds(config_.default_api_timeout_ms());
    for (Answers& answers : held_.take()) {
        if (commitment) ++commitment->left;
        fetcher_->acknowledge({std::move(answers), deadline, commitment});
    }
}

void ShareConsumer::tell_callback() {
    while (!settled_.empty()) {
        Settled one = std::move(settled_.front());
        settled_.pop_front();
        std::erase_if(one.answers.ranges, [](const AcknowledgedRange& range) {
            return range.type == AcknowledgeType::gap;
        });
        if (on_acknowledged_ && !one.answers.ranges.empty())
            on_acknowledged_(one.answers.name, one.answers.ranges, one.outcome);
    }
}

Task<Result<ShareRecords>> ShareConsumer::poll(Duration timeout) {
    if (topics_.empty())
        co_return fail(ErrorCode::invalid_request,
                       "poll() before subscribe(): there is nothing to read");
    tell_callback();
    if (!config_.explicit_mode()) held_.acknowledge_all(AcknowledgeType::accept);
    if (!held_.all_answered())
        co_return fail(ErrorCode::invalid_record_state,
                       fmt::format("{} records of the last poll() are not acknowledged, and "
                                   "share.acknowledgement.mode is explicit: acknowledge each",
                                   held_.unanswered()));
    InPoll in_poll(member_.get());
    tell(nullptr);
    Time deadline = shard_.now() + timeout;
    for (;;) {
        std::uint64_t seen = changed_.count();
        follow_coordinator();
        if (std::optional<Error> error = member_->take_error()) co_return fail(*std::move(error));
        if (std::optional<Error> error = fetcher_->take_error()) co_return fail(*std::move(error));
        bool renewing = held_.renews();
        if (!renewing && held_.has_renewed()) {
            tell_callback();
            co_return held_.take_renewed();
        }
        if (!renewing) {
            auto records = take_fetched();
            if (!records || !records->empty()) {
                tell_callback();
                co_return records;
            }
            fetcher_->want_records();
        }
        if (shard_.now() >= deadline) break;
        co_await env::with_deadline(shard_, deadline, changed_.changed_since(seen));
    }
    tell_callback();
    co_return ShareRecords();
}

Result<> ShareConsumer::acknowledge(const TopicPartition& partition, std::int64_t offset,
                                    AcknowledgeType type) {
    if (!config_.explicit_mode())
        return fail(ErrorCode::invalid_request,
                    "Records are accepted by the next poll(): set "
                    "share.acknowledgement.mode=explicit to acknowledge each");
    return held_.acknowledge(partition, offset, type);
}

Task<std::map<TopicPartition, Result<>>> ShareConsumer::commit() {
    tell_callback();
    if (!config_.explicit_mode()) held_.acknowledge_all(AcknowledgeType::accept);
    auto commitment = std::make_shared<Commitment>();
    tell(commitment);
    Time deadline = shard_.now() + Duration::milliseconds(config_.default_api_timeout_ms()) +
                    Duration::milliseconds(config_.request_timeout_ms());
    while (commitment->left > 0 && shard_.now() < deadline) {
        std::uint64_t seen = changed_.count();
        co_await env::with_deadline(shard_, deadline, changed_.changed_since(seen));
    }
    tell_callback();
    co_return commitment->outcomes;
}

void ShareConsumer::commit_in_background() {
    if (!config_.explicit_mode()) held_.acknowledge_all(AcknowledgeType::accept);
    tell(nullptr);
}

Task<void> ShareConsumer::give_back(std::string reason, Time deadline) {
    tell(nullptr);
    co_await fetcher_->end_sessions(deadline);
    fetcher_->assign({});
    held_.clear();
    broken_.reset();
    co_await member_->leave(std::move(reason), deadline);
    tell_callback();
}

Task<Result<>> ShareConsumer::unsubscribe() {
    Time deadline = shard_.now() + Duration::milliseconds(config_.default_api_timeout_ms());
    co_await give_back("the consumer has unsubscribed", deadline);
    for (const std::string& topic : topics_) cluster_.untrack(topic);
    topics_.clear();
    topics_moved_ = false;
    co_return Result<>();
}

Task<Result<>> ShareConsumer::close(Duration timeout) {
    co_await give_back("the consumer is being closed", shard_.now() + timeout);
    co_await fetcher_->close();
    co_await member_->close();
    co_return Result<>();
}

}  // namespace millrace::client
