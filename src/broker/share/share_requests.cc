#include "broker/share/share_requests.h"

#include "base/java_hash.h"
#include "config/group_config.h"

namespace millrace::broker {
namespace {

constexpr std::size_t longest_member_id = 36;

Task<void> acknowledge_one(ShareLeaders& leaders, const std::string& group_id,
                           const std::string& member_id, Acknowledging& one) {
    auto there = [&](SharePartitions& shares, Partitions& partitions) -> Task<Error> {
        std::shared_ptr<LedShare> share = shares.find(group_id, one.id);
        if (!share) {
            bool is_led = partitions.find(one.id) && partitions.find(one.id)->is_leader();
            ErrorCode code =
                is_led ? ErrorCode::unknown_topic_or_partition : ErrorCode::not_leader_or_follower;
            co_return Error{code, std::string(meaning_of(code))};
        }
        if (one.counts) shares.metrics().acknowledge_request(share->topic());
        Result<> done = co_await share->acknowledge(member_id, one.acknowledgements);
        co_return done ? Error{ErrorCode::none, ""} : done.error();
    };
    one.outcome = co_await leaders.on(leaders.shard_of(one.id), there);
}

}  // namespace

ErrorCode check_member(const metadata::Image& image, const std::optional<std::string>& group_id,
                       const std::optional<std::string>& member_id) {
    if (!serves_share_groups(image)) return ErrorCode::unsupported_version;
    bool fits =
        member_id && !member_id->empty() && java_chars(*member_id).size() <= longest_member_id;
    return group_id && fits ? ErrorCode::none : ErrorCode::invalid_request;
}

bool is_well_formed(const std::vector<share::Acknowledgement>& acknowledgements, bool renews) {
    std::int8_t most = renews ? share::max_acknowledge_type
                              : static_cast<std::int8_t>(share::AcknowledgeType::renew) - 1;
    share::Offset next = 0;
    for (const auto& [offsets, types] : acknowledgements) {
        if (offsets.first < next || offsets.last < offsets.first) return false;
        next = offsets.last + 1;
        bool one_each = static_cast<share::Offset>(types.size()) == offsets.size();
        if (types.size() != 1 && !one_each) return false;
        for (std::int8_t type : types)
            if (type < 0 || type > most) return false;
    }
    return true;
}

Task<void> acknowledge_all(ShareLeaders& leaders, const metadata::Image& image,
                           const std::string& group_id, const std::string& member_id,
                           std::vector<Acknowledging>& all) {
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (Acknowledging& one : all) {
            if (one.outcome.code != ErrorCode::none) continue;
            if (image.topics.find(one.id.topic_id, one.id.partition) == nullptr) {
                one.outcome.code = ErrorCode::unknown_topic_or_partition;
                continue;
            }
            scope.spawn(acknowledge_one(leaders, group_id, member_id, one));
        }
        co_await scope.join();
    });
}

std::uint64_t failed_topics(const std::vector<Acknowledging>& all) {
    std::set<Uuid> topics;
    for (const Acknowledging& each : all)
        if (each.outcome.code != ErrorCode::none) topics.insert(each.id.topic_id);
    return topics.size();
}

std::int32_t lock_duration_ms(const metadata::Image& image, const config::BrokerConfig& config,
                              const std::string& group_id) {
    return config::GroupConfig::effective(config,
                                          image.configs_of(config::ResourceType::group, group_id))
        .share_record_lock_duration_ms();
}

}  // namespace millrace::broker
