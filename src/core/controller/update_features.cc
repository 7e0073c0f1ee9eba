#include "core/controller/update_features.h"

#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <utility>

#include "core/controller/state.h"
#include "core/metadata/features.h"
#include "core/metadata/snapshot.h"

namespace millrace::controller {
namespace {

using metadata::Feature;
using metadata::FeatureLevels;
using metadata::MetadataVersion;
using metadata::VersionRange;
using Update = UpdateFeaturesRequest::FeatureUpdateKey;

// Codes of the request.
enum class Upgrade : std::int8_t {
    unknown = 0,
    upgrade = 1,
    safe_downgrade = 2,
    unsafe_downgrade = 3
};

Upgrade upgrade_of(std::int8_t code) {
    return code >= 1 && code <= 3 ? static_cast<Upgrade>(code) : Upgrade::unknown;
}

auto refuse(std::string message) {
    return fail(ErrorCode::invalid_update_version, std::move(message));
}

auto refuse_level(const Update& update, std::string_view why) {
    return refuse(fmt::format("Invalid update version {} for feature {}. {}",
                              update.max_version_level, update.feature, why));
}

// "" when the node supports the level.
std::string why_not(std::int16_t level, const std::string& who,
                    const metadata::SupportedFeatures& supported, std::string_view feature) {
    auto at = supported.find(feature);
    VersionRange range = at == supported.end() ? VersionRange{} : at->second;
    if (range.contains(level)) return {};
    if (range.max == 0) return who + " does not support this feature.";
    return fmt::format("{} only supports versions {}-{}", who, range.min, range.max);
}

std::string who_does_not_support(const Update& update, const State& state) {
    const Settings& settings = state.settings();
    std::int16_t level = update.max_version_level;
    std::string why =
        why_not(level, fmt::format("Local controller {}", settings.node_id),
                metadata::supported_features(settings.unstable_features), update.feature);
    if (!why.empty()) return why;
    for (const auto& [id, broker] : state.image().brokers) {
        why = why_not(level, fmt::format("Broker {}", id), broker->features, update.feature);
        if (!why.empty()) return why;
    }
    if (!state.metadata_version().supports_controller_registration()) return {};
    for (const auto& [id, controller] : state.image().controllers) {
        if (id == settings.node_id) continue;
        why =
            why_not(level, fmt::format("Controller {}", id), controller->features, update.feature);
        if (!why.empty()) return why;
    }
    for (std::int32_t id : settings.quorum) {
        if (id != settings.node_id && state.image().controllers.find(id) == nullptr) {
            return fmt::format("controller {} has not registered, and may not support this feature",
                               id);
        }
    }
    return {};
}

std::int16_t current_level(std::string_view feature, const State& state) {
    if (feature == metadata::kraft_version_feature) return state.settings().kraft_version;
    return state.image().features.level_of(feature);
}

Result<> check_metadata_version(const Update& update, Upgrade upgrade, const State& state) {
    MetadataVersion current = state.metadata_version();
    Result<MetadataVersion> wanted = MetadataVersion::of_level(update.max_version_level);
    if (!wanted) {
        VersionRange known =
            metadata::find_feature(metadata::metadata_version_feature)->supported(true);
        return refuse(fmt::format("Invalid metadata.version {}. Valid versions are from {} to {}.",
                                  update.max_version_level, known.min, known.max));
    }
    if (*wanted >= current || !metadata::metadata_differs(current, *wanted)) return {};
    return refuse(fmt::format(
        "Unsupported metadata.version downgrade from {} to {}. {}", current.level(),
        wanted->level(),
        upgrade == Upgrade::unsafe_downgrade
            ? "Unsafe metadata downgrade is not supported in this version."
            : "Refusing to perform the requested downgrade because it might delete metadata "
              "information."));
}

Result<> check_direction(const Update& update, Upgrade upgrade, std::int16_t current) {
    std::int16_t level = update.max_version_level;
    if (level < current && upgrade == Upgrade::upgrade) {
        return refuse_level(update,
                            "Can't downgrade the version of this feature without setting the "
                            "upgrade type to either safe or unsafe downgrade.");
    }
    if (level > current && upgrade != Upgrade::upgrade)
        return refuse_level(update, "Can't downgrade to a newer version.");
    return {};
}

// Control records of the quorum carry it, and the quorum has the last word.
Result<> check_kraft_version(const Update& update, Upgrade upgrade, const State& state) {
    std::int16_t level = update.max_version_level;
    if (level == state.settings().kraft_version) return {};
    if (upgrade != Upgrade::upgrade)
        return refuse_level(update, "Can't downgrade the version of this feature.");
    return state.settings().check_kraft_version(level);
}

Result<metadata::VersionedRecord> decide_one(const Update& update, const FeatureLevels& proposed,
                                             const State& state) {
    Upgrade upgrade = upgrade_of(update.upgrade_type);
    if (upgrade == Upgrade::unknown)
        return refuse_level(update, "The controller does not support the given upgrade type.");
    if (update.max_version_level < 0)
        return refuse_level(update, "A feature version cannot be less than 0.");
    if (std::string why = who_does_not_support(update, state); !why.empty())
        return refuse_level(update, why);
    std::int16_t current = current_level(update.feature, state);
    RETURN_IF_ERROR(check_direction(update, upgrade, current));
    if (update.feature == metadata::metadata_version_feature) {
        RETURN_IF_ERROR(check_metadata_version(update, upgrade, state));
    } else if (update.feature == metadata::kraft_version_feature) {
        RETURN_IF_ERROR(check_kraft_version(update, upgrade, state));
        return metadata::VersionedRecord{NoOpRecord{}, 0};
    } else {
        // Level 0, not enabled, is one that anybody supports of any feature.
        const Feature* feature = metadata::find_feature(update.feature);
        if (feature == nullptr)
            return refuse_level(update, fmt::format("Feature {} not found.", update.feature));
        Result<> fits = metadata::check_needs(*feature, update.max_version_level, proposed);
        if (!fits) return refuse_level(update, fits.error().message);
    }
    return metadata::feature_level_record(update.feature, update.max_version_level);
}

metadata::VersionedRecord min_insync_replicas(const std::string& broker,
                                              std::optional<std::string> value) {
    ConfigRecord record;
    record.resource_type = static_cast<std::int8_t>(config::ResourceType::broker);
    record.resource_name = broker;
    record.name = "min.insync.replicas";
    record.value = std::move(value);
    return {std::move(record), 0};
}

// With ELR on there is one min.insync.replicas for all brokers, and it is in the log.
void append_elr_safety(const State& state, metadata::Records& records) {
    constexpr std::string_view name = "min.insync.replicas";
    if (!state.image().configs_of(config::ResourceType::broker, "").contains(name)) {
        records.push_back(
            min_insync_replicas("", std::to_string(state.settings().config.min_insync_replicas())));
    }
    for (const auto& [resource, configs] : state.image().configs) {
        if (resource.type == config::ResourceType::broker && !resource.name.empty() &&
            configs->contains(name)) {
            records.push_back(min_insync_replicas(resource.name, std::nullopt));
        }
    }
}

Result<metadata::Records> decide_all(const UpdateFeaturesRequest& request, const State& state) {
    FeatureLevels proposed = state.image().features.levels;
    proposed.emplace(metadata::metadata_version_feature, state.metadata_version().level());
    for (const Update& update : request.feature_updates)
        proposed.insert_or_assign(update.feature, update.max_version_level);

    metadata::Records records;
    for (const Update& update : request.feature_updates) {
        ASSIGN_OR_RETURN(metadata::VersionedRecord record, decide_one(update, proposed, state));
        records.push_back(std::move(record));
    }
    bool turns_elr_on = std::ranges::any_of(request.feature_updates, [](const Update& update) {
        return update.feature == metadata::elr_feature && update.max_version_level > 0;
    });
    if (!turns_elr_on) return records;
    metadata::Records with_safety;
    append_elr_safety(state, with_safety);
    std::ranges::move(records, std::back_inserter(with_safety));
    return with_safety;
}

std::optional<std::int16_t> raised_kraft_version(const UpdateFeaturesRequest& request,
                                                 const State& state) {
    auto at = std::ranges::find(request.feature_updates, metadata::kraft_version_feature,
                                &Update::feature);
    if (at == request.feature_updates.end()) return std::nullopt;
    if (at->max_version_level == state.settings().kraft_version) return std::nullopt;
    return at->max_version_level;
}

}  // namespace

Decision<UpdateFeaturesResponse> decide(const UpdateFeatures& command, const State& state, Inputs) {
    Decision<UpdateFeaturesResponse> decision;
    decision.response.error_message = std::nullopt;
    Result<metadata::Records> records = decide_all(command.request, state);
    if (!records) {
        decision.response.error_code = records.error().code;
        decision.response.error_message =
            "The update failed for all features since the following feature had an error: " +
            records.error().message;
        return decision;
    }
    if (!command.request.validate_only) {
        decision.records = *std::move(records);
        decision.kraft_version = raised_kraft_version(command.request, state);
    }
    if (command.version <= 1) {
        for (const Update& update : command.request.feature_updates) {
            auto& answer = decision.response.results.emplace_back();
            answer.feature = update.feature;
            answer.error_message = "NONE";  // so Apache answers
        }
    }
    return decision;
}

}  // namespace millrace::controller
