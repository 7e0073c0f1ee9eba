#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "client/admin.h"
#include "client/admin_groups.h"

namespace millrace::cli {

class Arguments;
class Output;

// What kafka-consumer-groups does, but for listing: each an AdminTool (connect.h).
Task<Result<>> describe_consumer_groups(client::Admin& admin, const Arguments& arguments,
                                        Output& output);
Task<Result<>> delete_consumer_groups(client::Admin& admin, const Arguments& arguments,
                                      Output& output);
Task<Result<>> delete_offsets(client::Admin& admin, const Arguments& arguments, Output& output);
Task<Result<>> reset_offsets(client::Admin& admin, const Arguments& arguments, Output& output);

// Groups of consumers: of type consumer, and classic ones whose protocol is consumer or none.
Task<Result<std::vector<client::GroupListing>>> list_consumer_groups(client::Admin& admin,
                                                                     client::GroupFilter filter,
                                                                     Output& output);
// "classic" of the wire as tools show it: "Classic".
std::string shown_type(std::string_view type);
// --group, or with --all-groups all.
Task<Result<std::vector<std::string>>> chosen_groups(client::Admin& admin,
                                                     const Arguments& arguments, Output& output);
// The partitions of --topic, or of what `flag` names: "t:0,2" those, "t" all of it.
Task<Result<std::vector<client::TopicPartition>>> chosen_partitions(
    client::Admin& admin, const Arguments& arguments, std::string_view flag = "topic");
// Deletes the group's committed offsets of these partitions, and tells of each.
Task<Result<>> delete_offsets_of(client::Admin& admin, std::string group,
                                 std::vector<client::TopicPartition> partitions,
                                 const Arguments& arguments, Output& output);
// "'a', 'b'"
std::string quoted(const std::vector<std::string>& names);
// "stable,empty", of which each is one of `known`, as the cluster spells them.
Result<std::vector<std::string>> choices(std::string_view text, std::string_view flag,
                                         std::initializer_list<std::string_view> known);

}  // namespace millrace::cli
