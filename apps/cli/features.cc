#include "core/metadata/features.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/core.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/feature_table.h"
#include "cli/output.h"
#include "client/admin_cluster.h"
#include "config/text.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr Flag flags[] = {bootstrap_server(), bootstrap_controller(), command_config()};
constexpr Flag describe_flags[] = {
    value("node-id", "ID", "ask this node; any without it").int32(),
};
constexpr Flag release = value("release-version", "RELEASE", "the levels of this release: 4.3");
constexpr Flag feature_level =
    value("feature", "FEATURE=LEVEL", "a feature and its level").repeated();
constexpr Flag dry_run = on_off("dry-run", "ask whether it could be done");
constexpr Flag unsafe = on_off("unsafe", "do it even where metadata is lost");
constexpr Flag metadata = value("metadata", "RELEASE", "use --release-version").deprecated();
constexpr Flag upgrade_flags[] = {release, feature_level, dry_run, metadata};
constexpr Flag downgrade_flags[] = {release, feature_level, unsafe, dry_run, metadata};
constexpr Flag disable_flags[] = {value("feature", "FEATURE", "a feature to switch off").repeated(),
                                  unsafe, dry_run};
constexpr Flag mapping_flags[] = {
    value("release-version", "RELEASE", "the release; the newest without it")};
constexpr Flag dependencies_flags[] = {
    value("feature", "FEATURE=LEVEL", "a feature and its level").repeated().required()};
constexpr Verb verbs[] = {
    {"describe", "tell the levels that are supported and in effect", describe_flags},
    {"upgrade", "raise levels", upgrade_flags},
    {"downgrade", "lower levels", downgrade_flags},
    {"disable", "switch features off", disable_flags},
    {"version-mapping", "tell the levels of a release", mapping_flags},
    {"feature-dependencies", "tell what features need", dependencies_flags},
};

// A level of metadata.version by its release, others by number.
std::string level_text(std::string_view feature, std::int16_t level) {
    if (feature != metadata::metadata_version_feature) return std::to_string(level);
    auto version = metadata::MetadataVersion::of_level(level);
    return version ? std::string(version->release()) : fmt::format("UNKNOWN {}", level);
}

Task<Result<>> describe(client::Admin& admin, const Arguments& arguments, Output& output) {
    std::optional<std::int32_t> node;
    if (auto id = arguments.number("node-id")) {
        if (*id < 0)
            co_return misuse(fmt::format("Invalid node id {}: must be non-negative.", *id));
        node = static_cast<std::int32_t>(*id);
    }
    ASSIGN_OR_CO_RETURN(auto features, co_await client::describe_features(admin, node));
    json::array documents;
    for (const auto& [name, range] : features.supported) {
        auto found = features.finalized.find(name);
        std::int16_t level = found == features.finalized.end() ? std::int16_t{0} : found->second;
        if (arguments.as_json()) {
            documents.push_back(json::object{{"feature", name},
                                             {"supported_min_version", range.min},
                                             {"supported_max_version", range.max},
                                             {"finalized_version_level", level}});
            continue;
        }
        output.line(
            "Feature: {}  SupportedMinVersion: {}  SupportedMaxVersion: {}  "
            "FinalizedVersionLevel: {}  Epoch: {}",
            padded(name, 40), padded(level_text(name, range.min), 15),
            padded(level_text(name, range.max), 15), padded(level_text(name, level), 15),
            features.finalized_epoch ? std::to_string(*features.finalized_epoch) : "-");
    }
    if (arguments.as_json()) {
        json::object document{{"features", std::move(documents)}};
        document["epoch"] = features.finalized_epoch ? json::value(*features.finalized_epoch)
                                                     : json::value(nullptr);
        output.json(document);
    }
    co_return Result<>();
}

using Updates = std::map<std::string, client::FeatureUpdate>;

Result<> add(Updates& updates, std::string name, std::int16_t level, client::FeatureChange change) {
    if (updates.try_emplace(name, client::FeatureUpdate{level, change}).second) return {};
    return misuse(fmt::format("Feature {} was specified more than once.", name));
}

Result<Updates> read_updates(const Arguments& arguments) {
    bool upgrades = arguments.verb() == "upgrade";
    client::FeatureChange change = upgrades ? client::FeatureChange::upgrade
                                   : arguments.has("unsafe")
                                       ? client::FeatureChange::unsafe_downgrade
                                       : client::FeatureChange::safe_downgrade;
    Updates updates;
    if (arguments.verb() == "disable") {
        for (const std::string& name : arguments.all("feature")) {
            RETURN_IF_ERROR(add(updates, name, 0, change));
        }
        return updates;
    }
    if (arguments.has("release-version")) {
        if (arguments.has("metadata") || arguments.has("feature")) {
            return misuse("Can not specify `release-version` with other feature flags.");
        }
        ASSIGN_OR_RETURN(auto version, metadata::MetadataVersion::of_release(
                                           arguments.text("release-version"), true));
        for (const metadata::Feature& feature : metadata::all_features()) {
            std::int16_t level = feature.name == metadata::metadata_version_feature
                                     ? version.level()
                                     : metadata::default_level(feature, version);
            if (upgrades && level == 0) continue;
            RETURN_IF_ERROR(add(updates, std::string(feature.name), level, change));
        }
        return updates;
    }
    if (arguments.has("metadata")) {
        ASSIGN_OR_RETURN(auto version,
                         metadata::MetadataVersion::of_release(arguments.text("metadata"), true));
        RETURN_IF_ERROR(
            add(updates, std::string(metadata::metadata_version_feature), version.level(), change));
    }
    for (const std::string& text : arguments.all("feature")) {
        ASSIGN_OR_RETURN(FeatureAndLevel one, parse_feature(text));
        RETURN_IF_ERROR(add(updates, one.name, one.level, change));
    }
    return updates;
}

Task<Result<>> update(client::Admin& admin, const Arguments& arguments, Output& output) {
    std::string verb(arguments.verb());
    bool dry = arguments.has("dry-run");
    ASSIGN_OR_CO_RETURN(Updates updates, read_updates(arguments));
    if (updates.empty()) {
        co_return misuse(fmt::format("You must specify at least one feature to {}", verb));
    }
    auto outcomes = co_await client::update_features(admin, updates, dry);
    int failures = 0;
    json::array documents;
    for (const auto& [name, outcome] : outcomes) {
        std::int16_t level = updates.at(name).level;
        if (!outcome) ++failures;
        if (arguments.as_json()) {
            json::object one{{"feature", name}, {"level", level}, {"dry_run", dry}};
            one["error"] = outcome ? json::value(nullptr) : json::value(outcome.error().message);
            documents.push_back(std::move(one));
            continue;
        }
        std::string to = verb == "disable" ? "" : fmt::format(" to {}", level);
        if (outcome) {
            output.line("{}{}{}d{}.", name, dry ? " can be " : " was ", verb, to);
        } else {
            output.line("{}{} {}{}. {}", dry ? "Can not " : "Could not ", verb, name, to,
                        outcome.error().message);
        }
    }
    if (arguments.as_json()) output.json(json::object{{"features", std::move(documents)}});
    if (failures > 0) {
        co_return fail(ErrorCode::feature_update_failed,
                       fmt::format("{} out of {} operation(s) failed.", failures, updates.size()));
    }
    co_return Result<>();
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    Result<> done;
    if (arguments.verb() == "version-mapping") {
        done = print_version_mapping(arguments, output);
    } else if (arguments.verb() == "feature-dependencies") {
        done = print_feature_dependencies(arguments, output);
    } else if ((done = check_bootstrap(arguments))) {
        co_return co_await run_with_admin(shard, arguments, output,
                                          arguments.verb() == "describe" ? describe : update);
    }
    co_return done ? 0 : output.fail(done.error());
}

}  // namespace

const Command tools::features{
    .name = "features",
    .kafka_name = "kafka-features",
    .summary = "tell and change the levels of features",
    .flags = flags,
    .verbs = verbs,
    .run = run,
};

}  // namespace millrace::cli
