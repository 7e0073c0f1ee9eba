#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "client/admin.h"
#include "client/admin_groups.h"
#include "client/admin_streams_groups.h"

namespace millrace::cli {

class Arguments;
class Output;

// What kafka-streams-groups does, but for listing: each an AdminTool (connect.h).
Task<Result<>> describe_streams_groups(client::Admin& admin, const Arguments& arguments,
                                       Output& output);
Task<Result<>> delete_streams_groups(client::Admin& admin, const Arguments& arguments,
                                     Output& output);
Task<Result<>> delete_streams_offsets(client::Admin& admin, const Arguments& arguments,
                                      Output& output);
Task<Result<>> reset_streams_offsets(client::Admin& admin, const Arguments& arguments,
                                     Output& output);

Task<Result<std::vector<client::GroupListing>>> list_streams_groups(client::Admin& admin,
                                                                    std::vector<std::string> states,
                                                                    Output& output);
// --group, or with --all-groups all.
Task<Result<std::vector<std::string>>> chosen_streams_groups(client::Admin& admin,
                                                             const Arguments& arguments,
                                                             Output& output);
// The topics that the group's topology has made for it, as their names tell.
std::vector<std::string> internal_topics_of(const client::StreamsGroupDescription& group);

}  // namespace millrace::cli
