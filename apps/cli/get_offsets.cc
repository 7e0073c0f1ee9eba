#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <limits>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/output.h"
#include "cli/topic_filter.h"
#include "client/admin_offsets.h"
#include "client/admin_topics.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr Flag flags[] = {
    bootstrap_server().required(),
    command_config(),
    value("topic", "REGEX", "topics whose name matches (RE2); all without it"),
    value("partitions", "N,…", "these partitions alone"),
    value("topic-partitions", "TOPIC:PARTITIONS,…",
          "topics by a regular expression, partitions as N, N-M (without M), N- or -M"),
    value("time", "TIME",
          "the offset at a time in ms, or -1 latest, -2 earliest, -3 max-timestamp, "
          "-4 earliest-local, -5 latest-tiered, -6 earliest-pending-upload")
        .otherwise("latest"),
    on_off("exclude-internal-topics", "leave out the brokers' own topics"),
};

struct NamedTime {
    std::string_view name;
    std::int64_t time;
};
constexpr NamedTime named_times[] = {
    {"latest", client::offset_at::latest},
    {"earliest", client::offset_at::earliest},
    {"max-timestamp", client::offset_at::max_timestamp},
    {"earliest-local", client::offset_at::earliest_local},
    {"latest-tiered", client::offset_at::latest_tiered},
    {"earliest-pending-upload", client::offset_at::earliest_pending_upload},
};

Result<std::int64_t> parse_time(std::string_view text) {
    for (const NamedTime& one : named_times) {
        if (one.name == text) return one.time;
    }
    if (auto number = parse_number(text)) return *number;
    return misuse(
        fmt::format("--time: '{}' is neither a time in milliseconds nor one of latest, "
                    "earliest, max-timestamp, earliest-local, latest-tiered, "
                    "earliest-pending-upload",
                    text));
}

// Partitions [low, high) of the topics that match; of given ones only those.
struct Rule {
    TopicFilter topics;
    std::int32_t low = 0;
    std::int32_t high = std::numeric_limits<std::int32_t>::max();
    std::vector<std::int32_t> ids;

    bool allows(const std::string& topic, std::int32_t partition) const {
        bool chosen = ids.empty() || std::ranges::find(ids, partition) != ids.end();
        return chosen && partition >= low && partition < high && topics.allows(topic);
    }
};

Result<Rule> parse_rule(std::string_view text) {
    auto broken = [&] {
        return misuse(fmt::format("--topic-partitions: '{}' is not TOPIC:PARTITIONS", text));
    };
    std::size_t colon = text.find(':');
    std::string_view topics = text.substr(0, colon);
    ASSIGN_OR_RETURN(TopicFilter filter, TopicFilter::create(topics.empty() ? ".*" : topics));
    Rule rule{.topics = std::move(filter)};
    if (colon == std::string_view::npos) return rule;
    std::string_view range = text.substr(colon + 1);
    std::size_t dash = range.find('-');
    std::string_view low = range.substr(0, dash);
    if (!low.empty()) {
        auto number = parse_int32(low);
        if (!number) return broken();
        rule.low = *number;
    }
    if (dash == std::string_view::npos) {
        if (!low.empty()) rule.ids.push_back(rule.low);
        return rule;
    }
    std::string_view high = range.substr(dash + 1);
    if (high.empty()) return rule;
    auto number = parse_int32(high);
    if (!number || *number < 0) return broken();
    rule.high = *number;
    return rule;
}

Result<std::vector<Rule>> read_rules(const Arguments& arguments) {
    RETURN_IF_ERROR(arguments.alone("topic-partitions", {"topic", "partitions"}));
    std::vector<Rule> rules;
    for (std::string_view one : split(arguments.text("topic-partitions"), ',')) {
        ASSIGN_OR_RETURN(Rule rule, parse_rule(one));
        rules.push_back(std::move(rule));
    }
    if (arguments.has("topic-partitions")) return rules;
    std::string_view topic = arguments.given("topic").value_or(".*");
    ASSIGN_OR_RETURN(TopicFilter filter, TopicFilter::create(topic));
    Rule rule{.topics = std::move(filter)};
    for (std::string_view word : split(arguments.text("partitions"), ',')) {
        auto id = parse_int32(word);
        if (!id) return misuse(fmt::format("--partitions: '{}' is no partition", word));
        rule.ids.push_back(*id);
    }
    rules.push_back(std::move(rule));
    return rules;
}

Task<Result<std::vector<client::TopicPartition>>> matching(client::Admin& admin,
                                                           const std::vector<Rule>& rules,
                                                           bool with_internal) {
    ASSIGN_OR_CO_RETURN(auto listed, co_await client::list_topics(admin, with_internal));
    std::vector<std::string> names;
    for (auto& topic : listed) {
        if (!with_internal && is_internal_topic(topic.name)) continue;
        bool wanted = std::ranges::any_of(
            rules, [&](const Rule& rule) { return rule.topics.allows(topic.name); });
        if (wanted) names.push_back(std::move(topic.name));
    }
    std::vector<client::TopicPartition> found;
    auto described = co_await client::describe_topics(admin, std::move(names));
    for (auto& [name, topic] : described) {
        if (!topic) co_return fail(std::move(topic).error());
        for (const auto& partition : topic->partitions) {
            bool wanted = std::ranges::any_of(
                rules, [&](const Rule& rule) { return rule.allows(topic->name, partition.index); });
            if (wanted) found.push_back({topic->name, partition.index});
        }
    }
    co_return found;
}

Task<Result<>> get(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(std::int64_t time, parse_time(arguments.text("time")));
    ASSIGN_OR_CO_RETURN(std::vector<Rule> rules, read_rules(arguments));
    ASSIGN_OR_CO_RETURN(auto partitions,
                        co_await matching(admin, rules, !arguments.has("exclude-internal-topics")));
    if (partitions.empty()) {
        co_return fail(ErrorCode::unknown_topic_or_partition,
                       "Could not match any topic-partitions with the specified filters");
    }
    std::map<client::TopicPartition, std::int64_t> asked;
    for (auto& partition : partitions) asked[std::move(partition)] = time;
    auto outcomes = co_await client::list_offsets(admin, std::move(asked));
    // In the order of "topic-partition" as text, as Kafka's tool has it.
    std::map<std::string,
             const client::Outcomes<client::TopicPartition, client::ListedOffset>::value_type*>
        ordered;
    for (const auto& outcome : outcomes) ordered[to_string(outcome.first)] = &outcome;
    json::array documents;
    for (const auto& [name, outcome] : ordered) {
        const auto& [partition, listed] = *outcome;
        if (!listed) {
            output.error(fmt::format("Skip getting offsets for topic-partition {} due to error: {}",
                                     name, listed.error().message));
            continue;
        }
        if (listed->offset < 0) continue;
        if (arguments.as_json()) {
            documents.push_back(json::object{{"topic", partition.topic},
                                             {"partition", partition.partition},
                                             {"offset", listed->offset}});
        } else {
            output.line("{}:{}:{}", partition.topic, partition.partition, listed->offset);
        }
    }
    if (arguments.as_json()) output.json(json::object{{"offsets", std::move(documents)}});
    co_return Result<>();
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    AdminRun how{.prefix = "Error occurred: ", .more = {{"client.id", "GetOffsetShell"}}};
    co_return co_await run_with_admin(shard, arguments, output, get, std::move(how));
}

}  // namespace

const Command tools::get_offsets{
    .name = "get-offsets",
    .kafka_name = "kafka-get-offsets",
    .summary = "tell the offsets of partitions at a time",
    .flags = flags,
    .run = run,
};

}  // namespace millrace::cli
