#include "core/metadata/features.h"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

namespace millrace::metadata {
namespace {

const Feature& metadata_version_levels() { return all_features().front(); }

std::string known_releases(bool unstable) {
    std::vector<std::string_view> names;
    for (const FeatureLevel& level : metadata_version_levels().levels) {
        if (level.stable || unstable) names.push_back(level.release);
    }
    return fmt::format("{}", fmt::join(names, ", "));
}

// "4.3.1" and "4.3" to "4.3"; "4.3-IV0" stays.
std::string_view first_two_parts(std::string_view release) {
    std::size_t dot = release.find('.');
    if (dot == std::string_view::npos) return release;
    return release.substr(0, release.find('.', dot + 1));
}

}  // namespace

const FeatureLevel* Feature::find(std::int16_t level) const {
    for (const FeatureLevel& known : levels) {
        if (known.level == level) return &known;
    }
    return nullptr;
}

VersionRange Feature::supported(bool unstable) const {
    VersionRange range{levels.front().level, levels.front().level};
    for (const FeatureLevel& known : levels) {
        if (known.stable || unstable) range.max = known.level;
    }
    return range;
}

const Feature* find_feature(std::string_view name) {
    for (const Feature& feature : all_features()) {
        if (feature.name == name) return &feature;
    }
    return nullptr;
}

SupportedFeatures supported_features(bool unstable) {
    SupportedFeatures supported;
    for (const Feature& feature : all_features()) {
        VersionRange range = feature.supported(unstable);
        if (range.max > 0) supported.emplace(feature.name, range);
    }
    return supported;
}

Result<MetadataVersion> MetadataVersion::of_level(std::int16_t level) {
    const Feature& feature = metadata_version_levels();
    if (feature.find(level) == nullptr) {
        VersionRange known = feature.supported(true);
        return fail(ErrorCode::invalid_update_version,
                    fmt::format("No MetadataVersion with feature level {}. Valid feature levels "
                                "are from {} to {}.",
                                level, known.min, known.max));
    }
    return MetadataVersion(level);
}

Result<MetadataVersion> MetadataVersion::of_release(std::string_view release, bool unstable) {
    std::string_view wanted = first_two_parts(release);
    const FeatureLevel* found = nullptr;
    for (const FeatureLevel& level : metadata_version_levels().levels) {
        if (!level.stable && !unstable) continue;
        std::string_view minor = level.release.substr(0, level.release.find('-'));
        if (level.release == wanted || minor == wanted) found = &level;
    }
    if (found == nullptr) {
        return fail(ErrorCode::invalid_update_version,
                    fmt::format("Unknown metadata.version '{}'. Supported metadata.version are: {}",
                                release, known_releases(unstable)));
    }
    return MetadataVersion(found->level);
}

MetadataVersion MetadataVersion::latest(bool unstable) {
    return MetadataVersion(metadata_version_levels().supported(unstable).max);
}

MetadataVersion MetadataVersion::minimum() {
    return MetadataVersion(metadata_version_levels().supported().min);
}

std::string_view MetadataVersion::release() const {
    return metadata_version_levels().find(level_)->release;
}

std::int16_t MetadataVersion::register_broker_record() const {
    if (supports_cordoned_directories()) return 4;
    if (supports_directories()) return 3;
    return level_ >= 8 ? 2 : 1;
}

std::int16_t MetadataVersion::partition_record() const {
    if (supports_elr()) return 2;
    return supports_directories() ? 1 : 0;
}

std::int16_t MetadataVersion::fetch_request() const {
    if (level_ >= 27) return 18;
    if (level_ >= 21) return 17;
    if (level_ >= 19) return 16;
    if (level_ >= 10) return 15;
    return level_ >= 9 ? 14 : 13;
}

std::int16_t MetadataVersion::list_offsets_request() const {
    if (level_ >= 29) return 11;
    if (level_ >= 25) return 10;
    if (level_ >= 21) return 9;
    return level_ >= 9 ? 8 : 7;
}

bool metadata_differs(MetadataVersion a, MetadataVersion b) {
    auto [low, high] = std::minmax(a, b);
    for (const FeatureLevel& level : metadata_version_levels().levels) {
        if (low.level() < level.level && level.level <= high.level() && level.changes_metadata)
            return true;
    }
    return false;
}

std::int16_t default_level(const Feature& feature, MetadataVersion version) {
    std::int16_t chosen = feature.levels.front().level;
    for (const FeatureLevel& level : feature.levels) {
        if (level.default_from <= version.level()) chosen = level.level;
    }
    return chosen;
}

Result<> check_needs(const Feature& feature, std::int16_t level, const FeatureLevels& levels) {
    const FeatureLevel* wanted = feature.find(level);
    if (wanted == nullptr) {
        return fail(ErrorCode::invalid_update_version,
                    fmt::format("No feature:{} with feature level {}", feature.name, level));
    }
    MetadataVersion minimum = MetadataVersion::minimum();
    auto version = levels.find(metadata_version_feature);
    if (level >= 1 && (version == levels.end() || version->second < minimum.level())) {
        return fail(ErrorCode::invalid_update_version,
                    fmt::format("{} could not be set to {} because it depends on "
                                "metadata.version={} ({})",
                                feature.name, level, minimum.level(), minimum.release()));
    }
    if (wanted->needs.empty()) return {};
    auto needed = levels.find(wanted->needs);
    if (needed == levels.end() || needed->second < wanted->needs_level) {
        return fail(ErrorCode::invalid_update_version,
                    fmt::format("{} could not be set to {} because it depends on {} level {}",
                                feature.name, level, wanted->needs, wanted->needs_level));
    }
    return {};
}

}  // namespace millrace::metadata
