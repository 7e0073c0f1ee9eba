#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/output.h"
#include "cli/topic_filter.h"
#include "cli/topic_report.h"
#include "client/admin_topics.h"
#include "config/text.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr Flag flags[] = {
    bootstrap_server().required(),
    command_config(),
    on_off("create", "create the topic"),
    on_off("list", "list topics"),
    on_off("describe", "tell all of topics"),
    on_off("alter", "give topics more partitions"),
    on_off("delete", "delete topics"),
    value("topic", "TOPIC", "the topic; but to create it, a regular expression (RE2)"),
    value("topic-id", "ID", "the topic to describe"),
    value("partitions", "N", "how many partitions the topic is to have").int32(),
    value("replication-factor", "N", "how many replicas each partition is to have").int32(),
    value("replica-assignment", "B1:B2,B3:B4", "the brokers of each partition, the leader first"),
    value("config", "KEY=VALUE", "a config of the topic to create").repeated(),
    on_off("if-exists", "topics that are not there are no error"),
    on_off("if-not-exists", "a topic that is there already is no error"),
    on_off("exclude-internal", "leave out the brokers' own topics"),
    on_off("topics-with-overrides", "describe only topics that have configs of their own"),
    on_off("under-replicated-partitions", "describe only partitions with too few in-sync replicas"),
    on_off("unavailable-partitions", "describe only partitions without a leader"),
    on_off("under-min-isr-partitions", "describe only partitions below min.insync.replicas"),
    on_off("at-min-isr-partitions", "describe only partitions at min.insync.replicas"),
    value("partition-size-limit-per-response", "N",
          "accepted; descriptions come in pages of the broker's size")
        .int32(),
    value("delete-config", "KEY", "it does nothing, configs are altered with the configs tool")
        .deprecated(),
};

Result<> check(const Arguments& arguments) {
    RETURN_IF_ERROR(arguments.exactly_one({"list", "describe", "create", "alter", "delete"}));
    if (arguments.has("describe") && arguments.has("if-exists") && !arguments.has("topic-id")) {
        RETURN_IF_ERROR(arguments.required({"topic"}));
    }
    if (!arguments.has("list") && !arguments.has("describe")) {
        RETURN_IF_ERROR(arguments.required({"topic"}));
    }
    if (arguments.has("alter")) {
        if (arguments.has("config")) {
            return misuse("configs of a topic are altered with the configs tool, not with --alter");
        }
        RETURN_IF_ERROR(arguments.required({"partitions"}));
    }
    RETURN_IF_ERROR(arguments.only_with("config", {"create"}));
    RETURN_IF_ERROR(arguments.only_with("partitions", {"create", "alter"}));
    RETURN_IF_ERROR(arguments.only_with("replication-factor", {"create"}));
    RETURN_IF_ERROR(arguments.only_with("replica-assignment", {"create", "alter"}));
    RETURN_IF_ERROR(arguments.only_with("if-exists", {"alter", "delete", "describe"}));
    RETURN_IF_ERROR(arguments.only_with("if-not-exists", {"create"}));
    RETURN_IF_ERROR(arguments.only_with("exclude-internal", {"list", "describe"}));
    if (arguments.has("create")) {
        RETURN_IF_ERROR(
            arguments.alone("replica-assignment", {"partitions", "replication-factor"}));
    }
    for (std::string_view report :
         {"under-replicated-partitions", "unavailable-partitions", "under-min-isr-partitions",
          "at-min-isr-partitions", "topics-with-overrides"}) {
        RETURN_IF_ERROR(arguments.only_with(report, {"describe"}));
        if (report != "topics-with-overrides") {
            RETURN_IF_ERROR(arguments.alone(report, {"topics-with-overrides"}));
        }
    }
    return {};
}

// "1:2,2:3": brokers of partition 0, then of partition 1.
Result<client::ReplicaAssignment> parse_assignment(std::string_view text) {
    client::ReplicaAssignment assignment;
    std::int32_t partition = 0;
    for (std::string_view one : split(text, ',')) {
        std::vector<std::int32_t> brokers;
        for (std::string_view word : split(one, ':')) {
            auto broker = parse_int32(config::trim(word));
            if (!broker) return misuse(fmt::format("'{}' in --replica-assignment is no id", word));
            if (std::ranges::find(brokers, *broker) != brokers.end()) {
                return misuse(
                    fmt::format("broker {} is given twice for partition {}", *broker, partition));
            }
            brokers.push_back(*broker);
        }
        if (partition > 0 && brokers.size() != assignment[0].size()) {
            return misuse(
                fmt::format("partition {} has another replication factor: {}", partition, one));
        }
        assignment[partition++] = std::move(brokers);
    }
    return assignment;
}

Result<client::NewTopic> new_topic(const Arguments& arguments) {
    client::NewTopic topic{.name = std::string(arguments.text("topic"))};
    if (auto partitions = arguments.number("partitions")) {
        if (*partitions < 1) return misuse("The partitions must be greater than 0");
        topic.partitions = static_cast<std::int32_t>(*partitions);
    }
    if (auto factor = arguments.number("replication-factor")) {
        constexpr int most = 32767;
        if (*factor < 1 || *factor > most) {
            return misuse(
                fmt::format("The replication factor must be between 1 and {} inclusive", most));
        }
        topic.replication_factor = static_cast<std::int16_t>(*factor);
    }
    ASSIGN_OR_RETURN(topic.assignment, parse_assignment(arguments.text("replica-assignment")));
    for (const std::string& text : arguments.all("config")) {
        std::size_t at = text.find('=');
        if (at == std::string::npos || at == 0) {
            return misuse(fmt::format("--config: '{}' is not KEY=VALUE", text));
        }
        topic.configs[std::string(config::trim(text.substr(0, at)))] =
            std::string(config::trim(text.substr(at + 1)));
    }
    return topic;
}

Task<Result<>> create(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(client::NewTopic topic, new_topic(arguments));
    std::string name = topic.name;
    if (name.find_first_of("._") != std::string::npos && !arguments.as_json()) {
        output.line(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or "
            "underscore ('_') could collide. To avoid issues it is best to use either, but "
            "not both.");
    }
    std::vector<client::NewTopic> topics;
    topics.push_back(std::move(topic));
    auto outcomes = co_await client::create_topics(admin, std::move(topics));
    auto& outcome = outcomes.at(name);
    bool there = !outcome && outcome.error().code == ErrorCode::topic_already_exists;
    bool may_be_there = arguments.has("if-not-exists");
    if (!outcome && !(there && may_be_there)) co_return fail(std::move(outcome).error());
    if (arguments.as_json()) {
        output.json(json::object{{"topic", name}, {"created", outcome.has_value()}});
    } else if (outcome) {
        output.line("Created topic {}.", name);
    }
    co_return Result<>();
}

// The topics that --topic names, all without it; an error when there is none and one is demanded.
Task<Result<std::vector<std::string>>> matching(client::Admin& admin, const Arguments& arguments) {
    ASSIGN_OR_CO_RETURN(auto listed,
                        co_await client::list_topics(admin, !arguments.has("exclude-internal")));
    std::optional<TopicFilter> filter;
    if (arguments.has("topic")) {
        ASSIGN_OR_CO_RETURN(TopicFilter made, TopicFilter::create(arguments.text("topic")));
        filter.emplace(std::move(made));
    }
    std::vector<std::string> names;
    for (client::TopicListing& topic : listed) {
        if (arguments.has("exclude-internal") && is_internal_topic(topic.name)) continue;
        if (!filter || filter->allows(topic.name)) names.push_back(std::move(topic.name));
    }
    bool demanded =
        !arguments.text("topic").empty() && !arguments.has("if-exists") && !arguments.has("list");
    if (names.empty() && demanded) {
        co_return fail(
            ErrorCode::unknown_topic_or_partition,
            fmt::format("Topic '{}' does not exist as expected", arguments.text("topic")));
    }
    co_return names;
}

Task<Result<>> list(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(auto names, co_await matching(admin, arguments));
    if (arguments.as_json()) {
        output.json(json::object{{"topics", json::array(names.begin(), names.end())}});
    } else {
        output.line("{}", fmt::join(names, "\n"));
    }
    co_return Result<>();
}

template <typename Key, typename T>
std::optional<Error> first_error(const client::Outcomes<Key, T>& outcomes) {
    for (const auto& [key, outcome] : outcomes) {
        if (!outcome) return outcome.error();
    }
    return std::nullopt;
}

json::array names_json(const std::vector<std::string>& names) {
    return json::array(names.begin(), names.end());
}

Task<Result<>> alter(client::Admin& admin, const Arguments& arguments, Output& output) {
    auto total = static_cast<std::int32_t>(arguments.number("partitions").value_or(0));
    if (total < 1) co_return misuse("The partitions must be greater than 0");
    ASSIGN_OR_CO_RETURN(auto assignment, parse_assignment(arguments.text("replica-assignment")));
    ASSIGN_OR_CO_RETURN(auto names, co_await matching(admin, arguments));
    std::map<std::string, client::MorePartitions> more;
    for (const std::string& name : names) more[name].total = total;
    if (!assignment.empty()) {
        auto described = co_await client::describe_topics(admin, names);
        for (auto& [name, topic] : described) {
            if (!topic) co_return fail(std::move(topic).error());
            auto first = static_cast<std::int32_t>(topic->partitions.size());
            for (const auto& [partition, brokers] : assignment) {
                if (partition >= first) more[name].assignment.push_back(brokers);
            }
        }
    }
    auto outcomes = co_await client::create_partitions(admin, std::move(more));
    if (auto error = first_error(outcomes)) co_return fail(*std::move(error));
    if (arguments.as_json()) {
        output.json(json::object{{"altered", names_json(names)}, {"partitions", total}});
    }
    co_return Result<>();
}

Task<Result<>> remove(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(auto names, co_await matching(admin, arguments));
    auto outcomes = co_await client::delete_topics(admin, names);
    if (auto error = first_error(outcomes)) co_return fail(*std::move(error));
    if (arguments.as_json()) output.json(json::object{{"deleted", names_json(names)}});
    co_return Result<>();
}

Task<Result<std::vector<client::TopicDescription>>> descriptions(client::Admin& admin,
                                                                 const Arguments& arguments) {
    std::vector<client::TopicDescription> found;
    Uuid id;
    if (arguments.has("topic-id")) {
        ASSIGN_OR_CO_RETURN(id, Uuid::parse(arguments.text("topic-id")));
    }
    if (!id.is_zero()) {
        auto described = co_await client::describe_topics(admin, std::vector<Uuid>{id});
        auto& topic = described.at(id);
        if (topic) {
            found.push_back(*std::move(topic));
        } else if (topic.error().code != ErrorCode::unknown_topic_id) {
            co_return fail(std::move(topic).error());
        } else if (!arguments.has("if-exists")) {
            co_return fail(ErrorCode::unknown_topic_id,
                           fmt::format("TopicId '{}' does not exist as expected", id.to_string()));
        }
        co_return found;
    }
    ASSIGN_OR_CO_RETURN(auto names, co_await matching(admin, arguments));
    auto described = co_await client::describe_topics(admin, std::move(names));
    for (auto& [name, topic] : described) {
        if (!topic) co_return fail(std::move(topic).error());
        found.push_back(*std::move(topic));
    }
    co_return found;
}

Task<Result<>> describe(client::Admin& admin, const Arguments& arguments, Output& output) {
    if (arguments.has("topic") && arguments.has("topic-id")) {
        output.error("--topic-id names the topic; --topic is not looked at.");
    }
    ASSIGN_OR_CO_RETURN(auto topics, co_await descriptions(admin, arguments));
    TopicReport report{.overridden_only = arguments.has("topics-with-overrides"),
                       .under_replicated = arguments.has("under-replicated-partitions"),
                       .unavailable = arguments.has("unavailable-partitions"),
                       .under_min_isr = arguments.has("under-min-isr-partitions"),
                       .at_min_isr = arguments.has("at-min-isr-partitions")};
    ASSIGN_OR_CO_RETURN(auto details, co_await fetch_details(admin, std::move(topics)));
    if (arguments.as_json()) {
        output.json(to_json(details, report));
    } else {
        print(details, report, output);
    }
    co_return Result<>();
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    if (auto checked = check(arguments); !checked) co_return output.fail(checked.error());
    AdminTool tool = arguments.has("create")     ? create
                     : arguments.has("list")     ? list
                     : arguments.has("describe") ? describe
                     : arguments.has("alter")    ? alter
                                                 : remove;
    AdminRun how{.prefix = "Error while executing topic command : "};
    co_return co_await run_with_admin(shard, arguments, output, tool, std::move(how));
}

}  // namespace

const Command tools::topics{
    .name = "topics",
    .kafka_name = "kafka-topics",
    .summary = "create, list, describe, extend and delete topics",
    .flags = flags,
    .run = run,
};

}  // namespace millrace::cli
