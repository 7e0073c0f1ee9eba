#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::metadata {

inline constexpr std::string_view consumer_offsets_topic = "__consumer_offsets";
inline constexpr std::string_view transaction_state_topic = "__transaction_state";
inline constexpr std::string_view share_group_state_topic = "__share_group_state";
inline constexpr std::string_view remote_log_metadata_topic = "__remote_log_metadata";
inline constexpr std::string_view cluster_metadata_topic = "__cluster_metadata";

// Error invalid_topic_exception with the reason.
Result<> validate_topic_name(std::string_view name);

// Topics that coordinators write; clients may read but not produce to them by default.
bool is_internal_topic(std::string_view name);

// Metric names turn '.' into '_', so that two topics must not differ in that alone.
bool has_collision_characters(std::string_view name);
std::string without_dots(std::string_view name);

}  // namespace millrace::metadata
