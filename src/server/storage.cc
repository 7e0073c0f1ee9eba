// millrace storage: kafka-storage under Kafka's flags and with Kafka's text.

#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <fmt/core.h>

#include "base/random.h"
#include "base/uuid.h"
#include "core/metadata/features.h"
#include "env/posix/world.h"
#include "quorum/format.h"
#include "server/arguments.h"
#include "server/commands.h"

namespace millrace::server {
namespace {

// Kafka lists features in this order.
constexpr std::array<std::string_view, 6> listed_features{
    "kraft.version", "transaction.version", "group.version", "eligible.leader.replicas.version",
    "share.version", "streams.version"};

// For what needs the world's clock and randomness but waits for nothing.
int in_world(const std::function<int(env::Shard&)>& body) {
    env::posix::World world({.shards = 1, .helper_threads = 1, .timestamp_log = false});
    return world.run([&](env::Shard& shard) -> Task<int> { co_return body(shard); });
}

int format(const std::string& config_file, const quorum::FormatCommand& command) {
    Result<config::BrokerConfig> config = read_config(config_file);
    if (!config) return complain("storage", config.error().message);
    return in_world([&](env::Shard& shard) {
        Result<std::string> text =
            quorum::format(shard.disk(), *config, command, shard.random(), shard.wall_ms());
        if (!text) return complain("storage", text.error().message);
        fmt::print("{}", *text);
        return done;
    });
}

int info(const std::string& config_file) {
    Result<config::BrokerConfig> config = read_config(config_file);
    if (!config) return complain("storage", config.error().message);
    return in_world([&](env::Shard& shard) {
        Result<quorum::StorageInfo> told = quorum::storage_info(shard.disk(), *config);
        if (!told) return complain("storage", told.error().message);
        fmt::print("{}", told->text);
        return told->sound ? done : failed;
    });
}

int random_uuid() {
    return in_world([](env::Shard& shard) {
        fmt::print("{}\n", Uuid::random(shard.random()).to_string());
        return done;
    });
}

int version_mapping(const std::string& release) {
    auto version = release.empty() ? metadata::MetadataVersion::latest()
                                   : metadata::MetadataVersion::of_release(release, true);
    if (!version) return complain("storage", version.error().message);
    fmt::print("metadata.version={} ({})\n", version->level(),
               release.empty() ? version->release() : release);
    for (std::string_view name : listed_features) {
        const metadata::Feature* feature = metadata::find_feature(name);
        fmt::print("{}={}\n", name, metadata::default_level(*feature, *version));
    }
    return done;
}

Result<std::string> dependencies_of(const std::string& argument) {
    std::size_t equals = argument.find('=');
    auto refuse = [](std::string text) {
        return fail(ErrorCode::invalid_request, std::move(text));
    };
    if (equals == std::string::npos) {
        return refuse(
            fmt::format("Invalid feature format: {}. Expected format: 'feature=version' "
                        "(e.g. 'group.version=1')",
                        argument));
    }
    std::string name = argument.substr(0, equals);
    std::string number = argument.substr(equals + 1);
    std::int16_t level = 0;
    auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), level);
    if (error != std::errc() || end != number.data() + number.size()) {
        return refuse(fmt::format("Invalid version format: {} for feature {}", number, name));
    }
    if (name == metadata::metadata_version_feature) {
        auto version = metadata::MetadataVersion::of_level(level);
        if (!version) return refuse(fmt::format("Unknown metadata.version {}", level));
        return fmt::format("{}={} ({}) has no dependencies.\n", name, level, version->release());
    }
    const metadata::Feature* feature = metadata::find_feature(name);
    if (feature == nullptr) return refuse(fmt::format("Unknown feature: {}", name));
    const metadata::FeatureLevel* found = feature->find(level);
    if (found == nullptr) {
        return refuse(fmt::format("Feature level {} is not supported for feature {}", level, name));
    }
    if (found->needs.empty()) return fmt::format("{}={} has no dependencies.\n", name, level);
    std::string text =
        fmt::format("{}={} requires:\n    {}={}", name, level, found->needs, found->needs_level);
    if (found->needs == metadata::metadata_version_feature) {
        auto version = metadata::MetadataVersion::of_level(found->needs_level);
        if (version) text += fmt::format(" ({})", version->release());
    }
    return text + "\n";
}

int feature_dependencies(const std::vector<std::string>& features) {
    for (const std::string& each : features) {
        Result<std::string> text = dependencies_of(each);
        if (!text) return complain("storage", text.error().message);
        fmt::print("{}", *text);
    }
    return done;
}

}  // namespace

int storage(std::span<const std::string> arguments) {
    CLI::App app("Formats log directories, or tells what is in them.", "millrace storage");
    app.require_subcommand(1);
    std::string config_file;
    std::string release;
    std::vector<std::string> features;
    quorum::FormatCommand command;

    CLI::App* info_command = app.add_subcommand("info", "Tells of the log directories");
    info_command->add_option("-c,--config", config_file, "The node's configuration")->required();

    CLI::App* format_command = app.add_subcommand("format", "Formats the log directories");
    format_command->add_option("-c,--config", config_file, "The node's configuration")->required();
    format_command->add_option("-t,--cluster-id", command.cluster_id, "The cluster's id")
        ->required();
    format_command
        ->add_option("-S,--add-scram", command.scram,
                     "Credential, SCRAM-SHA-256=[name=alice,password=secret]")
        ->expected(1)
        ->take_all()
        ->delimiter('\0');
    format_command->add_flag("-g,--ignore-formatted", command.ignore_formatted,
                             "Passes over directories that are formatted");
    format_command->add_option("-r,--release-version", command.release_version,
                               "The release whose feature levels the cluster has");
    format_command->add_option("-f,--feature", command.features, "A feature's level, NAME=LEVEL")
        ->expected(1)
        ->take_all();
    CLI::Option_group* voters = format_command->add_option_group("voters");
    voters->add_flag("-s,--standalone", command.standalone, "This controller is the one voter");
    voters->add_flag("-N,--no-initial-controllers", command.no_initial_controllers,
                     "The voters are not known yet");
    voters->add_option("-I,--initial-controllers", command.initial_controllers,
                       "The voters, ID@HOST:PORT:DIRECTORY-ID,...");
    voters->require_option(0, 1);

    CLI::App* mapping = app.add_subcommand("version-mapping", "Feature levels of a release");
    mapping->add_option("-r,--release-version", release, "The release, such as 4.3 or 4.3-IV0");
    CLI::App* dependencies =
        app.add_subcommand("feature-dependencies", "What a level of a feature needs");
    dependencies->add_option("-f,--feature", features, "NAME=LEVEL; may be repeated")
        ->required()
        ->expected(1)
        ->take_all();
    CLI::App* uuid = app.add_subcommand("random-uuid", "Prints a new id");

    try {
        app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? done : failed;
    }
    if (*info_command) return info(config_file);
    if (*format_command) return format(config_file, command);
    if (*mapping) return version_mapping(release);
    if (*dependencies) return feature_dependencies(features);
    if (*uuid) return random_uuid();
    return failed;
}

}  // namespace millrace::server
