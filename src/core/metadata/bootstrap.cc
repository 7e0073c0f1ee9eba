#include "core/metadata/bootstrap.h"

#include <fmt/format.h>
#include <string>
#include <variant>
#include <vector>

#include "core/metadata/snapshot.h"

namespace millrace::metadata {
namespace {

auto refuse(std::string message) {
    return fail(ErrorCode::invalid_update_version, std::move(message));
}

Result<MetadataVersion> release_of(const FormatOptions& options) {
    MetadataVersion version = options.release.value_or(MetadataVersion::latest(options.unstable));
    if (auto at = options.features.find(metadata_version_feature); at != options.features.end()) {
        if (options.release) {
            return refuse(
                "Use --release-version instead of --feature metadata.version=X to avoid "
                "ambiguity.");
        }
        ASSIGN_OR_RETURN(version, MetadataVersion::of_level(at->second));
    }
    if (!options.unstable && version > MetadataVersion::latest())
        return refuse(fmt::format("metadata.version {} is not yet stable.", version.release()));
    return version;
}

Result<std::int16_t> kraft_level(const FormatOptions& options) {
    auto wanted = options.features.find(kraft_version_feature);
    if (wanted == options.features.end()) return options.dynamic_quorum ? 1 : 0;
    if (wanted->second == 0 && options.dynamic_quorum) {
        return refuse(
            "Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the "
            "flags --standalone, --initial-controllers, or --no-initial-controllers is used. For "
            "dynamic controllers support, try removing the --feature flag for kraft.version.");
    }
    if (wanted->second != 0 && !options.dynamic_quorum) {
        return refuse(fmt::format(
            "Cannot set kraft.version to {} unless controller.quorum.voters is empty and one of "
            "the flags --standalone, --initial-controllers, or --no-initial-controllers is used. "
            "For dynamic controllers support, try using one of --standalone, "
            "--initial-controllers, or --no-initial-controllers and removing "
            "controller.quorum.voters.",
            wanted->second));
    }
    return wanted->second;
}

std::string names_of_features() {
    std::vector<std::string_view> names;
    for (const Feature& feature : all_features()) {
        if (feature.name != metadata_version_feature) names.push_back(feature.name);
    }
    return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

Result<FeatureLevels> format_levels(const FormatOptions& options) {
    ASSIGN_OR_RETURN(MetadataVersion version, release_of(options));
    for (const auto& [name, level] : options.features) {
        if (find_feature(name) == nullptr) {
            return refuse(fmt::format("Unsupported feature: {}. Supported features are: {}", name,
                                      names_of_features()));
        }
    }
    FeatureLevels levels = options.features;
    levels.insert_or_assign(std::string(metadata_version_feature), version.level());
    ASSIGN_OR_RETURN(std::int16_t kraft, kraft_level(options));
    levels.insert_or_assign(std::string(kraft_version_feature), kraft);
    for (const Feature& feature : all_features())
        levels.try_emplace(std::string(feature.name), default_level(feature, version));

    for (const auto& [name, level] : levels) {
        if (name == metadata_version_feature) continue;
        const Feature& feature = *find_feature(name);
        const FeatureLevel* known = feature.find(level);
        if (known == nullptr || (!known->stable && !options.unstable))
            return refuse(fmt::format("No feature:{} with feature level {}", name, level));
        RETURN_IF_ERROR(check_needs(feature, level, levels));
    }
    return levels;
}

Records bootstrap_records(const FeatureLevels& levels) {
    Records records;
    if (auto version = levels.find(metadata_version_feature); version != levels.end())
        records.push_back(feature_level_record(version->first, version->second));
    for (const auto& [name, level] : levels) {
        if (name != metadata_version_feature && name != kraft_version_feature && level > 0)
            records.push_back(feature_level_record(name, level));
    }
    return records;
}

Result<MetadataVersion> bootstrap_version(const Records& records) {
    const FeatureLevelRecord* found = nullptr;
    for (const VersionedRecord& record : records) {
        const auto* level = std::get_if<FeatureLevelRecord>(&record.message);
        if (level != nullptr && level->name == metadata_version_feature) found = level;
    }
    if (found == nullptr) {
        return fail(ErrorCode::invalid_record,
                    "the bootstrap records have no FeatureLevelRecord for metadata.version");
    }
    return MetadataVersion::of_level(found->feature_level);
}

}  // namespace millrace::metadata
