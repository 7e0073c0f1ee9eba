#include "cli/streams_group_actions.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <re2/re2.h>
#include <set>

#include "cli/arguments.h"
#include "cli/group_actions.h"
#include "cli/offset_reset.h"
#include "cli/output.h"
#include "client/admin_group_offsets.h"
#include "client/admin_topics.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

using client::StreamsGroupDescription;
using client::TopicPartition;
using Failures = std::map<std::string, std::string>;  // why, by group

// The names that Kafka Streams gives to topics of its own.
bool looks_internal(const std::string& topic, const std::string& group) {
    static const RE2 names(
        ".*(-changelog|-repartition|-subscription-registration-topic|"
        "-subscription-response-topic|"
        ".-KTABLE-FK-JOIN-SUBSCRIPTION-(REGISTRATION|RESPONSE)-\\d+-topic)");
    return topic.starts_with(group + "-") && RE2::FullMatch(topic, names);
}

Task<Result<StreamsGroupDescription>> describe_one(client::Admin& admin, std::string id) {
    auto described = co_await client::describe_streams_groups(admin, {id});
    co_return std::move(described.at(id));
}

// The committed partitions of the source topics of a group's topology.
Task<Result<std::vector<TopicPartition>>> input_partitions(client::Admin& admin, std::string id,
                                                           const OffsetReset::Offsets& committed) {
    ASSIGN_OR_CO_RETURN(auto group, co_await describe_one(admin, std::move(id)));
    std::set<std::string> sources;
    for (const auto& subtopology : group.subtopologies)
        sources.insert(subtopology.source_topics.begin(), subtopology.source_topics.end());
    std::vector<TopicPartition> partitions;
    for (const auto& [partition, offset] : committed)
        if (sources.contains(partition.topic)) partitions.push_back(partition);
    co_return partitions;
}

// Of --input-topic: only partitions that the group has committed, all or none of them.
Task<Result<std::vector<TopicPartition>>> committed_partitions(
    client::Admin& admin, const Arguments& arguments, Output& output, std::string id,
    const OffsetReset::Offsets& committed) {
    ASSIGN_OR_CO_RETURN(auto partitions,
                        co_await chosen_partitions(admin, arguments, "input-topic"));
    bool all =
        std::ranges::all_of(partitions, [&](const auto& each) { return committed.contains(each); });
    if (!all) {
        output.error(
            fmt::format("\nError: One or more topics are not part of the group '{}'.", id));
        partitions.clear();
    }
    co_return partitions;
}

// Topics of the groups, by group.
using Topics = std::map<std::string, std::vector<std::string>>;
Task<Result<Topics>> internal_topics(client::Admin& admin, std::vector<std::string> groups,
                                     Output& output) {
    auto described = co_await client::describe_streams_groups(admin, std::move(groups));
    Topics topics;
    for (auto& [id, group] : described) {
        if (!group) co_return fail(std::move(group).error());
        std::vector<std::string> all = internal_topics_of(*group);
        std::erase_if(all, [&](const std::string& topic) {
            if (looks_internal(topic, id)) return false;
            output.error(
                fmt::format("\nError: The internal topic '{}' is not inferred as internal "
                            "and thus will not be deleted with the group '{}'.",
                            topic, id));
            return true;
        });
        if (!all.empty()) topics[id] = std::move(all);
    }
    co_return topics;
}

// Why topics of a group could not be deleted; empty when all are.
Task<std::string> delete_internal(client::Admin& admin, std::vector<std::string> topics,
                                  Output* output) {
    std::string why;
    auto outcomes = co_await client::delete_topics(admin, std::move(topics));
    for (const auto& [topic, outcome] : outcomes) {
        if (outcome) continue;
        if (output != nullptr) output->line("Failed to delete internal topic: {}", topic);
        if (why.empty()) why = outcome.error().message;
    }
    co_return why;
}

// Groups that may not be deleted, and why not.
Failures undeletable(const std::vector<std::string>& ids,
                     const std::vector<client::GroupListing>& groups) {
    Failures failures;
    for (const std::string& id : ids) {
        auto found = std::ranges::find(groups, id, &client::GroupListing::id);
        if (found == groups.end()) {
            failures[id] = fmt::format("Group '{}' does not exist or is not a streams group.", id);
        } else if (found->state != "Empty") {
            failures[id] = fmt::format("Streams group '{}' is not EMPTY.", id);
        }
    }
    return failures;
}

void print_deleted(const std::vector<std::string>& deleted, const Failures& failed,
                   Output& output) {
    if (failed.empty()) {
        output.line("Deletion of requested streams groups ({}) was successful.", quoted(deleted));
        return;
    }
    output.error("\nError: Deletion of some streams groups failed:");
    for (const auto& [group, why] : failed)
        output.error(fmt::format("* Group '{}' could not be deleted due to: {}", group, why));
    if (!deleted.empty())
        output.line("\nThese streams groups were deleted successfully: {}.", quoted(deleted));
}

void print_internal(const Topics& topics, const std::vector<std::string>& deleted,
                    const Failures& failed, Output& output) {
    if (topics.empty() || deleted.empty()) return;
    if (failed.empty()) {
        std::vector<std::string> groups;
        for (const std::string& id : deleted)
            if (topics.contains(id)) groups.push_back(id);
        output.line(
            "Deletion of associated internal topics of the streams groups ({}) was successful.",
            quoted(groups));
        return;
    }
    output.error("Deletion of some associated internal topics failed:");
    for (const auto& [group, why] : failed) {
        output.error(fmt::format(
            "* Internal topics of the streams group '{}' could not be deleted due to: {}", group,
            why));
    }
}

void print_reset(const std::vector<ResetRow>& rows, bool any_group, Output& output) {
    auto print = [&](std::string_view group, std::string_view topic, std::string_view partition,
                     std::string_view offset) {
        output.print("\n{} {} {} {}", padded(group, 30), padded(topic, 30), padded(partition, 10),
                     padded(offset, 15));
    };
    if (any_group) print("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET");
    for (const ResetRow& row : rows) {
        print(row.group, row.partition.topic, std::to_string(row.partition.partition),
              std::to_string(row.offset));
    }
    output.write("\n");
}

}  // namespace

Task<Result<std::vector<client::GroupListing>>> list_streams_groups(client::Admin& admin,
                                                                    std::vector<std::string> states,
                                                                    Output& output) {
    client::GroupFilter filter{.states = std::move(states), .types = {"Streams"}};
    ASSIGN_OR_CO_RETURN(auto listed, co_await client::list_groups(admin, std::move(filter)));
    for (const Error& error : listed.errors) output.error(error.message);
    co_return std::move(listed.groups);
}

Task<Result<std::vector<std::string>>> chosen_streams_groups(client::Admin& admin,
                                                             const Arguments& arguments,
                                                             Output& output) {
    if (!arguments.has("all-groups")) co_return arguments.all("group");
    ASSIGN_OR_CO_RETURN(auto groups, co_await list_streams_groups(admin, {}, output));
    std::vector<std::string> ids;
    for (auto& group : groups) ids.push_back(std::move(group.id));
    co_return ids;
}

std::vector<std::string> internal_topics_of(const StreamsGroupDescription& group) {
    std::set<std::string> sources;
    for (const auto& each : group.subtopologies)
        sources.insert(each.source_topics.begin(), each.source_topics.end());
    std::vector<std::string> topics;
    for (const auto& each : group.subtopologies) {
        for (const auto* internal : {&each.repartition_source_topics, &each.changelog_topics})
            for (const std::string& topic : *internal)
                if (!sources.contains(topic)) topics.push_back(topic);
    }
    return topics;
}

Task<Result<>> delete_streams_groups(client::Admin& admin, const Arguments& arguments,
                                     Output& output) {
    ASSIGN_OR_CO_RETURN(auto ids, co_await chosen_streams_groups(admin, arguments, output));
    ASSIGN_OR_CO_RETURN(auto groups, co_await list_streams_groups(admin, {}, output));
    Failures failed = undeletable(ids, groups);
    std::erase_if(ids, [&](const std::string& id) { return failed.contains(id); });
    Topics topics;
    std::vector<std::string> deleted;
    Failures undeleted_topics;
    if (!ids.empty()) {
        if (arguments.has("delete-all-internal-topics")) {
            ASSIGN_OR_CO_RETURN(topics, co_await internal_topics(admin, ids, output));
        }
        auto outcomes = co_await client::delete_groups(admin, ids);
        for (const auto& [group, outcome] : outcomes) {
            if (outcome) {
                deleted.push_back(group);
            } else {
                failed[group] = outcome.error().message;
            }
        }
        for (const std::string& group : deleted) {
            auto of_group = topics.find(group);
            if (of_group == topics.end()) continue;
            std::string why = co_await delete_internal(admin, of_group->second, &output);
            if (!why.empty()) undeleted_topics[group] = std::move(why);
        }
    }
    if (arguments.as_json()) {
        json::array documents;
        for (const std::string& group : deleted)
            documents.push_back(json::object{{"group", group}, {"error", nullptr}});
        for (const auto& [group, why] : failed)
            documents.push_back(json::object{{"group", group}, {"error", why}});
        output.json(json::object{{"groups", std::move(documents)}});
        if (failed.empty()) co_return Result<>();
        co_return fail(ErrorCode::unknown_server_error,
                       fmt::format("{} of the groups were not deleted.", failed.size()));
    }
    print_deleted(deleted, failed, output);
    print_internal(topics, deleted, undeleted_topics, output);
    co_return Result<>();
}

Task<Result<>> delete_streams_offsets(client::Admin& admin, const Arguments& arguments,
                                      Output& output) {
    std::string group(arguments.text("group"));
    std::vector<TopicPartition> partitions;
    if (arguments.has("all-input-topics")) {
        ASSIGN_OR_CO_RETURN(auto committed,
                            co_await client::list_group_offsets(admin, group, std::nullopt));
        OffsetReset::Offsets offsets;
        for (const auto& [partition, offset] : committed)
            if (offset) offsets[partition] = offset->offset;
        ASSIGN_OR_CO_RETURN(partitions, co_await input_partitions(admin, group, offsets));
    } else {
        ASSIGN_OR_CO_RETURN(partitions,
                            co_await chosen_partitions(admin, arguments, "input-topic"));
    }
    co_return co_await delete_offsets_of(admin, std::move(group), std::move(partitions), arguments,
                                         output);
}

Task<Result<>> reset_streams_offsets(client::Admin& admin, const Arguments& arguments,
                                     Output& output) {
    ASSIGN_OR_CO_RETURN(auto ids, co_await chosen_streams_groups(admin, arguments, output));
    bool any_group = !ids.empty();
    OffsetReset reset(
        admin, arguments, output,
        [&](const std::string& id,
            const OffsetReset::Offsets& committed) -> Task<Result<std::vector<TopicPartition>>> {
            return arguments.has("all-input-topics")
                       ? input_partitions(admin, id, committed)
                       : committed_partitions(admin, arguments, output, id, committed);
        });
    auto groups = co_await client::describe_streams_groups(admin, std::move(ids));
    std::vector<ResetRow> rows;
    for (auto& [id, group] : groups) {
        bool missing = !group && group.error().code == ErrorCode::group_id_not_found;
        if (!group && !missing) co_return fail(std::move(group).error());
        if (group && !may_be_reset(id, group->state, output)) continue;
        ASSIGN_OR_CO_RETURN(auto of_group, co_await reset.group(id));
        rows.insert(rows.end(), of_group.begin(), of_group.end());
        if (!arguments.has("execute")) continue;
        std::vector<std::string> topics = arguments.all("delete-internal-topic");
        if (arguments.has("delete-all-internal-topics")) {
            ASSIGN_OR_CO_RETURN(Topics internal, co_await internal_topics(admin, {id}, output));
            topics = std::move(internal[id]);
        }
        if (topics.empty()) continue;
        std::string why = co_await delete_internal(admin, std::move(topics), nullptr);
        if (why.empty()) continue;
        output.error(
            fmt::format("\nError: Deleting internal topics for group '{}' failed due to "
                        "{}",
                        id, why));
    }
    if (arguments.as_json()) {
        print_reset_json(rows, arguments.has("execute"), output);
    } else if (arguments.has("export")) {
        print_reset_csv(rows, arguments.all("group").size() != 1, output);
    } else {
        print_reset(rows, any_group, output);
    }
    co_return Result<>();
}

}  // namespace millrace::cli
