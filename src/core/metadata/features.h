#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::metadata {

inline constexpr std::string_view metadata_version_feature = "metadata.version";
inline constexpr std::string_view kraft_version_feature = "kraft.version";
inline constexpr std::string_view elr_feature = "eligible.leader.replicas.version";

// Feature levels by name, as finalized or wanted (KIP-584).
using FeatureLevels = std::map<std::string, std::int16_t, std::less<>>;

struct VersionRange {
    std::int16_t min = 0;
    std::int16_t max = 0;

    bool contains(std::int16_t level) const { return min <= level && level <= max; }
    bool operator==(const VersionRange&) const = default;
};
// By feature; what a node supports.
using SupportedFeatures = std::map<std::string, VersionRange, std::less<>>;

// One line of schema/features.tsv.
struct FeatureLevel {
    std::int16_t level = 0;
    std::string_view release;       // "4.3-IV0"; only levels of metadata.version have one
    bool stable = true;             // unstable ones need unstable.feature.versions.enable
    bool changes_metadata = false;  // records differ from the level before
    std::int16_t default_from = 0;  // new clusters of this metadata.version or later have it
    std::string_view needs;         // a feature that must have needs_level or more; may be ""
    std::int16_t needs_level = 0;
};

struct Feature {
    std::string_view name;
    std::span<const FeatureLevel> levels;  // ascending

    const FeatureLevel* find(std::int16_t level) const;
    VersionRange supported(bool unstable = false) const;
};

// metadata.version first, the others by name.
std::span<const Feature> all_features();
const Feature* find_feature(std::string_view name);
// What this version of Millrace supports, features whose only level is 0 left out.
SupportedFeatures supported_features(bool unstable = false);

// The level of the metadata: which records, fields and versions the log may hold.
class MetadataVersion {
  public:
    // Error invalid_update_version for a level that is not known.
    static Result<MetadataVersion> of_level(std::int16_t level);
    // "4.3", "4.3.1" (the newest level of that release) or "4.3-IV0".
    static Result<MetadataVersion> of_release(std::string_view release, bool unstable = false);
    static MetadataVersion latest(bool unstable = false);
    static MetadataVersion minimum();

    std::int16_t level() const { return level_; }
    std::string_view release() const;  // "4.3-IV0"
    auto operator<=>(const MetadataVersion&) const = default;

    bool supports_scram() const { return level_ >= 11; }
    bool bumps_epoch_when_isr_shrinks() const { return level_ < 12; }
    bool supports_transactions() const { return level_ >= 13; }
    bool supports_delegation_tokens() const { return level_ >= 14; }
    bool supports_controller_registration() const { return level_ >= 15; }
    bool supports_directories() const { return level_ >= 17; }
    bool supports_elr() const { return level_ >= 23; }
    bool supports_cordoned_directories() const { return level_ >= 30; }
    std::int16_t register_broker_record() const;
    std::int16_t partition_record() const;
    std::int16_t partition_change_record() const { return partition_record(); }
    // What followers send to their leader.
    std::int16_t fetch_request() const;
    std::int16_t list_offsets_request() const;

  private:
    explicit MetadataVersion(std::int16_t level) : level_(level) {}
    std::int16_t level_;
};

// Whether going from one version to the other would lose or rewrite records.
bool metadata_differs(MetadataVersion a, MetadataVersion b);

// The level a new cluster of this metadata.version gives a feature.
std::int16_t default_level(const Feature& feature, MetadataVersion version);

// Error invalid_update_version, with Apache's sentence, when `level` needs a feature that `levels`
// has not.
Result<> check_needs(const Feature& feature, std::int16_t level, const FeatureLevels& levels);

}  // namespace millrace::metadata
