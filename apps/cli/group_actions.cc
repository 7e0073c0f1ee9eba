#include "cli/group_actions.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/output.h"
#include "client/admin_group_offsets.h"
#include "client/admin_topics.h"
#include "config/text.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

// Kafka's tool gives an error a blank line in front.
void print_error(std::string_view sentence, Output& output) {
    output.error(fmt::format("\nError: {}", sentence));
}

}  // namespace

std::string quoted(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) {
        out += fmt::format("{}'{}'", out.empty() ? "" : ", ", name);
    }
    return out;
}

Result<std::vector<std::string>> choices(std::string_view text, std::string_view flag,
                                         std::initializer_list<std::string_view> known) {
    std::vector<std::string> chosen;
    for (std::string_view word : split(text, ',')) {
        auto found = std::ranges::find_if(known, [&](std::string_view one) {
            return config::equal_ignoring_case(one, config::trim(word));
        });
        if (found == known.end()) {
            return misuse(
                fmt::format("--{}: '{}' is none of {}", flag, word, fmt::join(known, ", ")));
        }
        chosen.emplace_back(*found);
    }
    return chosen;
}

std::string shown_type(std::string_view type) {
    std::string out = config::lower_case(type);
    if (!out.empty()) out.front() = config::upper_case(out.substr(0, 1)).front();
    return out;
}

Task<Result<std::vector<client::GroupListing>>> list_consumer_groups(client::Admin& admin,
                                                                     client::GroupFilter filter,
                                                                     Output& output) {
    if (filter.types.empty()) filter.types = {"Classic", "Consumer"};
    ASSIGN_OR_CO_RETURN(auto listed, co_await client::list_groups(admin, std::move(filter)));
    for (const Error& error : listed.errors) output.error(error.message);
    for (client::GroupListing& group : listed.groups) group.type = shown_type(group.type);
    std::erase_if(listed.groups, [](const client::GroupListing& group) {
        bool other_type =
            !group.type.empty() && group.type != "Classic" && group.type != "Consumer";
        bool other_protocol = !group.protocol_type.empty() && group.protocol_type != "consumer";
        return other_type || other_protocol;
    });
    co_return std::move(listed.groups);
}

Task<Result<std::vector<std::string>>> chosen_groups(client::Admin& admin,
                                                     const Arguments& arguments, Output& output) {
    if (!arguments.has("all-groups")) co_return arguments.all("group");
    client::GroupFilter all;
    ASSIGN_OR_CO_RETURN(auto groups, co_await list_consumer_groups(admin, all, output));
    std::vector<std::string> ids;
    for (auto& group : groups) ids.push_back(std::move(group.id));
    co_return ids;
}

Task<Result<std::vector<client::TopicPartition>>> chosen_partitions(client::Admin& admin,
                                                                    const Arguments& arguments,
                                                                    std::string_view flag) {
    std::vector<client::TopicPartition> chosen;
    std::vector<std::string> whole;
    for (const std::string& text : arguments.all(flag)) {
        std::size_t colon = text.find(':');
        if (colon == std::string::npos) {
            whole.push_back(text);
            continue;
        }
        std::string topic = text.substr(0, colon);
        auto words = split(std::string_view(text).substr(colon + 1), ',');
        if (topic.empty() || words.empty()) {
            co_return misuse(
                fmt::format("Invalid topic arg '{}', expected topic name and partitions", text));
        }
        for (std::string_view word : words) {
            auto partition = parse_int32(word);
            if (!partition) {
                co_return misuse(
                    fmt::format("Invalid partition '{}' specified in topic arg '{}'", word, text));
            }
            chosen.push_back({topic, *partition});
        }
    }
    auto described = co_await client::describe_topics(admin, std::move(whole));
    for (auto& [name, topic] : described) {
        if (!topic) co_return fail(std::move(topic).error());
        for (const auto& partition : topic->partitions) {
            chosen.push_back({topic->name, partition.index});
        }
    }
    std::ranges::sort(chosen);
    co_return chosen;
}

Task<Result<>> delete_consumer_groups(client::Admin& admin, const Arguments& arguments,
                                      Output& output) {
    ASSIGN_OR_CO_RETURN(auto groups, co_await chosen_groups(admin, arguments, output));
    auto outcomes = co_await client::delete_groups(admin, groups);
    std::vector<std::string> deleted;
    std::vector<std::string> failed;
    json::array documents;
    for (const auto& [group, outcome] : outcomes) {
        (outcome ? deleted : failed).push_back(group);
        documents.push_back(json::object{
            {"group", group},
            {"error", outcome ? json::value(nullptr) : json::value(outcome.error().message)}});
    }
    if (arguments.as_json()) {
        output.json(json::object{{"groups", std::move(documents)}});
        if (failed.empty()) co_return Result<>();
        co_return fail(ErrorCode::unknown_server_error,
                       fmt::format("{} of the groups were not deleted.", failed.size()));
    }
    if (failed.empty()) {
        output.line("Deletion of requested consumer groups ({}) was successful.", quoted(deleted));
        co_return Result<>();
    }
    print_error("Deletion of some consumer groups failed:", output);
    for (const std::string& group : failed) {
        output.error(fmt::format("* Group '{}' could not be deleted due to: {}", group,
                                 outcomes.at(group).error().message));
    }
    if (!deleted.empty()) {
        output.line("\nThese consumer groups were deleted successfully: {}", quoted(deleted));
    }
    co_return Result<>();
}

Task<Result<>> delete_offsets(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(auto partitions, co_await chosen_partitions(admin, arguments));
    co_return co_await delete_offsets_of(admin, std::string(arguments.text("group")),
                                         std::move(partitions), arguments, output);
}

Task<Result<>> delete_offsets_of(client::Admin& admin, std::string group,
                                 std::vector<client::TopicPartition> partitions,
                                 const Arguments& arguments, Output& output) {
    auto outcomes = co_await client::delete_group_offsets(admin, group, std::move(partitions));
    const Error* first = nullptr;
    std::size_t topic_width = 15;
    json::array documents;
    for (const auto& [partition, outcome] : outcomes) {
        if (!outcome && first == nullptr) first = &outcome.error();
        topic_width = std::max(topic_width, width_of(partition.topic));
        documents.push_back(json::object{
            {"topic", partition.topic},
            {"partition", partition.partition},
            {"error", outcome ? json::value(nullptr) : json::value(outcome.error().message)}});
    }
    if (arguments.as_json()) {
        output.json(json::object{{"group", group}, {"partitions", std::move(documents)}});
        if (first == nullptr) co_return Result<>();
        co_return fail(*first);
    }
    if (first == nullptr) {
        output.line("Request succeeded for deleting offsets from group {}.", group);
    } else if (first->code == ErrorCode::group_subscribed_to_topic ||
               first->code == ErrorCode::topic_authorization_failed ||
               first->code == ErrorCode::unknown_topic_or_partition) {
        print_error("Encountered some partition-level error, see the follow-up details.", output);
    } else {
        print_error(first->message, output);
    }
    auto print_row = [&](std::string_view topic, std::string_view partition,
                         std::string_view status) {
        output.print("\n{} {} {}", padded(topic, topic_width), padded(partition, 10),
                     padded(status, 15));
    };
    print_row("TOPIC", "PARTITION", "STATUS");
    for (const auto& [partition, outcome] : outcomes) {
        print_row(partition.topic, std::to_string(partition.partition),
                  outcome ? "Successful" : fmt::format("Error: {}", outcome.error().message));
    }
    output.write("\n");
    co_return Result<>();
}

}  // namespace millrace::cli
