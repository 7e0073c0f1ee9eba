#include "broker/cluster_metrics.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "core/metadata/changes.h"
#include "env/shard.h"
#include "metrics/declared.h"

namespace millrace::broker {
namespace {

namespace declared = metrics::declared;

constexpr double running = 3;  // BrokerState.RUNNING

// BrokerRegistrationState.
double registration_state(const metadata::Broker* broker) {
    if (broker == nullptr) return -1;
    if (broker->fenced) return 10;
    return broker->in_controlled_shutdown ? 20 : 30;
}

// "eligible.leader.replicas.version" as "eligibleLeaderReplicasVersion".
std::string label_of(std::string_view feature) {
    std::string label;
    bool capital = false;
    for (char letter : feature) {
        if (letter == '.') {
            capital = true;
            continue;
        }
        label += capital && letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A')
                                                           : letter;
        capital = false;
    }
    return label;
}

// A value that there are no samples of, as Apache's library tells it.
double or_nan(const std::optional<double>& value) {
    return value.value_or(std::numeric_limits<double>::quiet_NaN());
}

}  // namespace

ClusterMetrics::ClusterMetrics(env::Shard& shard, metrics::Registry& registry,
                               const MetadataCache& metadata, const quorum::MetadataQuorum& quorum,
                               const config::BrokerConfig& config)
    : shard_(shard),
      registry_(registry),
      metadata_(metadata),
      quorum_(quorum),
      node_id_(config.node_id()),
      is_controller_(config.is_controller()),
      session_timeout_(Duration::milliseconds(config.broker_session_timeout_ms())) {
    read_cluster();
    read_quorum();
    read_figures();
    if (is_controller_) read_controller();
}

void ClusterMetrics::read(const metrics::GaugeDeclaration& declaration, Of of) {
    readings_.push_back(registry_.read_gauge(declaration, {}, std::move(of)));
}

double ClusterMetrics::count_partitions(bool (*counts)(const metadata::Partition&)) const {
    double total = 0;
    for (const auto& [name, topic] : metadata_.image()->topics.by_name()) {
        for (const auto& [index, partition] : topic->partitions) total += counts(*partition);
    }
    return total;
}

void ClusterMetrics::read_cluster() {
    auto brokers = [this](bool fenced) {
        return [this, fenced] {
            double total = 0;
            for (const auto& [id, broker] : metadata_.image()->brokers) {
                total += broker->fenced == fenced;
            }
            return total;
        };
    };
    read(declared::kafka_controller_active_broker_count, brokers(false));
    read(declared::kafka_controller_fenced_broker_count, brokers(true));
    read(declared::kafka_controller_controlled_shutdown_broker_count, [this] {
        double total = 0;
        for (const auto& [id, broker] : metadata_.image()->brokers)
            total += broker->in_controlled_shutdown;
        return total;
    });
    read(declared::kafka_controller_global_topic_count,
         [this] { return static_cast<double>(metadata_.image()->topics.size()); });
    read(declared::kafka_controller_global_partition_count,
         [this] { return count_partitions([](const metadata::Partition&) { return true; }); });
    read(declared::kafka_controller_offline_partitions_count, [this] {
        return count_partitions([](const metadata::Partition& p) { return !p.has_leader(); });
    });
    read(declared::kafka_controller_preferred_replica_imbalance_count, [this] {
        return count_partitions(
            [](const metadata::Partition& p) { return p.leader != p.preferred_leader(); });
    });
    read(declared::kafka_controller_last_applied_record_offset,
         [this] { return static_cast<double>(metadata_.image()->offset); });
    read(declared::metadata_loader_current_metadata_version, [this] {
        const auto& version = metadata_.image()->features.metadata_version;
        return version ? static_cast<double>(version->level()) : 0.0;
    });
    read(declared::kafka_server_broker_state, [this] {
        const metadata::Broker* self = metadata_.image()->brokers.find(node_id_);
        return self != nullptr && !self->fenced ? running : running - 1;
    });
}

// Between the last applied record and now.
double ClusterMetrics::lag_ms() const {
    Timestamp applied = quorum_.figures().last_applied;
    return static_cast<double>(applied < 0 ? 0 : shard_.wall_ms() - applied);
}

// Here nothing waits in a queue of events, in which it could run out of time.
void ClusterMetrics::read_controller() {
    for (const auto* never : {&declared::kafka_controller_timed_out_broker_heartbeat_count,
                              &declared::kafka_controller_event_queue_operations_timed_out_count})
        read(*never, [] { return 0.0; });
    read(declared::kafka_controller_last_applied_record_lag_ms, [this] { return lag_ms(); });
    registry_.meter(declared::controller_stats_unclean_leader_elections_per_sec);
    registry_.meter(declared::controller_stats_election_from_eligible_leader_replicas_per_sec);
}

void ClusterMetrics::follow() {
    metadata::ImagePtr image = metadata_.image();
    follow_features(image->features);
    if (!is_controller_) return;
    std::erase_if(brokers_,
                  [&](const auto& each) { return image->brokers.find(each.first) == nullptr; });
    for (const auto& [id, broker] : image->brokers) {
        if (!brokers_.contains(id)) brokers_.emplace(id, registration_of(id));
    }
    follow_heartbeats(*image);
    count_elections(*image);
    seen_ = std::move(image);
}

void ClusterMetrics::follow_features(const metadata::Features& features) {
    std::erase_if(features_, [&](const auto& each) { return features.level_of(each.first) == 0; });
    auto show = [&](std::string_view name, std::function<double()> level) {
        if (features_.contains(name)) return;
        features_.emplace(name, registry_.read_gauge(declared::metadata_loader_finalized_level,
                                                     {label_of(name)}, std::move(level)));
    };
    auto level = [this](std::string name) {
        return [this, name] {
            return static_cast<double>(metadata_.image()->features.level_of(name));
        };
    };
    if (features.metadata_version)
        show(metadata::metadata_version_feature,
             level(std::string(metadata::metadata_version_feature)));
    for (const auto& [name, now] : features.levels) show(name, level(name));
}

ClusterMetrics::Reading ClusterMetrics::registration_of(std::int32_t broker) {
    return registry_.read_gauge(
        declared::kafka_controller_broker_registration_state, {std::to_string(broker)},
        [this, broker] { return registration_state(metadata_.image()->brokers.find(broker)); });
}

// Only the active controller hears of brokers.
void ClusterMetrics::follow_heartbeats(const metadata::Image& image) {
    if (quorum_.leader_id() != node_id_) return heartbeats_.clear();
    std::erase_if(heartbeats_, [&](const auto& each) { return !brokers_.contains(each.first); });
    for (const auto& [id, broker] : image.brokers) {
        if (!heartbeats_.contains(id)) heartbeats_.emplace(id, heartbeat_of(id));
    }
}

// Who has not been heard of counts as away for a whole session, as with Apache's controllers.
ClusterMetrics::Reading ClusterMetrics::heartbeat_of(std::int32_t broker) {
    return registry_.read_gauge(
        declared::kafka_controller_time_since_last_heartbeat_received_ms, {std::to_string(broker)},
        [this, broker] {
            auto heard = quorum_.since_heartbeat(broker).value_or(session_timeout_);
            return static_cast<double>(std::min(heard, session_timeout_).ms());
        });
}

// What the log held when this node started was elected before.
void ClusterMetrics::count_elections(const metadata::Image& image) {
    if (seen_ == nullptr) return;
    std::uint64_t unclean = 0;
    std::uint64_t from_elr = 0;
    for (const metadata::TopicChange& topic : metadata::diff(*seen_, image).topics) {
        if (topic.created() || topic.deleted()) continue;
        for (const metadata::PartitionChange& partition : topic.partitions) {
            if (partition.before == nullptr || partition.after == nullptr) continue;
            const metadata::Partition& before = *partition.before;
            const metadata::Partition& after = *partition.after;
            if (!after.has_leader() || after.leader == before.leader) continue;
            unclean += after.recovery == metadata::LeaderRecovery::recovering;
            from_elr += metadata::contains(before.elr, after.leader);
        }
    }
    registry_.meter(declared::controller_stats_unclean_leader_elections_per_sec).mark(unclean);
    registry_.meter(declared::controller_stats_election_from_eligible_leader_replicas_per_sec)
        .mark(from_elr);
}

void ClusterMetrics::read_quorum() {
    read(declared::kafka_controller_active_controller_count,
         [this] { return quorum_.leader_id() == node_id_ ? 1.0 : 0.0; });
    read(declared::metadata_loader_current_controller_id,
         [this] { return static_cast<double>(quorum_.leader_id()); });
    read(declared::raft_metrics_current_leader,
         [this] { return static_cast<double>(quorum_.leader_id()); });
    read(declared::raft_metrics_current_epoch,
         [this] { return static_cast<double>(quorum_.status().epoch); });
    read(declared::raft_metrics_high_watermark,
         [this] { return static_cast<double>(quorum_.status().high_watermark); });
    read(declared::raft_metrics_number_of_voters,
         [this] { return static_cast<double>(quorum_.status().voters.size()); });
    read(declared::raft_metrics_number_of_observers,
         [this] { return static_cast<double>(quorum_.status().observers.size()); });
    read(declared::kafka_controller_last_committed_record_offset,
         [this] { return static_cast<double>(quorum_.status().high_watermark - 1); });
}

void ClusterMetrics::read_figures() {
    using quorum::QuorumFigures;
    auto figure = [this](const metrics::GaugeDeclaration& declaration,
                         double (*of)(const QuorumFigures&)) {
        read(declaration, [this, of] { return of(quorum_.figures()); });
    };
    auto number = [&]<auto member>(const metrics::GaugeDeclaration& declaration) {
        figure(declaration, [](const QuorumFigures& f) { return static_cast<double>(f.*member); });
    };
    number.operator()<&QuorumFigures::voted>(declared::raft_metrics_current_vote);
    number.operator()<&QuorumFigures::log_end>(declared::raft_metrics_log_end_offset);
    number.operator()<&QuorumFigures::log_end_epoch>(declared::raft_metrics_log_end_epoch);
    number.operator()<&QuorumFigures::append_rate>(declared::raft_metrics_append_records_rate);
    number.operator()<&QuorumFigures::fetch_rate>(declared::raft_metrics_fetch_records_rate);
    number.operator()<&QuorumFigures::voter_change_uncommitted>(
        declared::raft_metrics_uncommitted_voter_change);
    number.operator()<&QuorumFigures::ignores_static_voters>(
        declared::kafka_controller_ignored_static_voters);
    number.operator()<&QuorumFigures::ignores_static_voters>(
        declared::broker_metadata_metrics_ignored_static_voters);
    number.operator()<&QuorumFigures::last_applied>(
        declared::kafka_controller_last_applied_record_timestamp);
    number.operator()<&QuorumFigures::elections>(
        declared::kafka_controller_new_active_controllers_count);
    number.operator()<&QuorumFigures::failed_snapshots>(
        declared::kafka_controller_metadata_error_count);
    number.operator()<&QuorumFigures::operations_started>(
        declared::kafka_controller_event_queue_operations_started_count);
    kraft_version_ =
        registry_.read_gauge(declared::metadata_loader_finalized_level, {label_of("kraft.version")},
                             [this] { return static_cast<double>(quorum_.kraft_version()); });
    number.operator()<&QuorumFigures::unknown_voters>(
        declared::raft_metrics_number_unknown_voter_connections);
    number.operator()<&QuorumFigures::idle>(declared::raft_metrics_poll_idle_ratio_avg);
    number.operator()<&QuorumFigures::snapshots_loaded>(
        declared::metadata_loader_handle_load_snapshot_count);
    number.operator()<&QuorumFigures::snapshot_bytes>(
        declared::snapshot_emitter_latest_snapshot_generated_bytes);
    figure(declared::snapshot_emitter_latest_snapshot_generated_age_ms,
           [](const QuorumFigures& f) { return static_cast<double>(f.snapshot_age.ms()); });
    number.operator()<&QuorumFigures::last_applied>(
        declared::broker_metadata_metrics_last_applied_record_timestamp);
    read(declared::broker_metadata_metrics_last_applied_record_offset,
         [this] { return static_cast<double>(metadata_.image()->offset); });
    read(declared::broker_metadata_metrics_last_applied_record_lag_ms, [this] { return lag_ms(); });
    // What cannot be loaded or applied ends the node.
    for (const auto* never : {&declared::broker_metadata_metrics_metadata_load_error_count,
                              &declared::broker_metadata_metrics_metadata_apply_error_count})
        read(*never, [] { return 0.0; });
    figure(declared::raft_metrics_commit_latency_avg,
           [](const QuorumFigures& f) { return or_nan(f.commit_latency_average); });
    figure(declared::raft_metrics_commit_latency_max,
           [](const QuorumFigures& f) { return or_nan(f.commit_latency_max); });
    figure(declared::raft_metrics_election_latency_avg,
           [](const QuorumFigures& f) { return or_nan(f.election_latency_average); });
    figure(declared::raft_metrics_election_latency_max,
           [](const QuorumFigures& f) { return or_nan(f.election_latency_max); });
}

}  // namespace millrace::broker
