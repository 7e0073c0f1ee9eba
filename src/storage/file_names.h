#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/checkpoint_file.h"
#include "storage/offset.h"

namespace millrace::storage {

inline constexpr std::string_view log_suffix = ".log";
inline constexpr std::string_view index_suffix = ".index";
inline constexpr std::string_view time_index_suffix = ".timeindex";
inline constexpr std::string_view transaction_index_suffix = ".txnindex";
// Millrace's own: the checksum that the one before lacks.
inline constexpr std::string_view transaction_sum_suffix = ".txnindex.crc32c";
inline constexpr std::string_view snapshot_suffix = ".snapshot";
inline constexpr std::string_view deleted_suffix = ".deleted";
inline constexpr std::string_view cleaned_suffix = ".cleaned";
inline constexpr std::string_view swap_suffix = ".swap";
inline constexpr std::string_view epochs_file = "leader-epoch-checkpoint";
inline constexpr std::string_view metadata_file = "partition.metadata";

// DIRECTORY/00000000000000000042.log
std::string segment_path(std::string_view directory, Offset base, std::string_view suffix);
// The offset that a file name begins with: 20 digits and a dot.
std::optional<Offset> offset_of_file(std::string_view name);
// Whether `name` is exactly 20 digits and this suffix.
bool is_segment_file(std::string_view name, std::string_view suffix);

// orders-3 → orders, 3; nothing when it is no name of a live partition.
std::optional<PartitionName> parse_partition_name(std::string_view name);
// orders-3.<32 hex>-delete; the topic is cut so that it fits 255 characters.
std::string renamed_directory(const PartitionName& partition, std::string_view hex,
                              std::string_view suffix);

}  // namespace millrace::storage
