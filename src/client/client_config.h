#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "client/cluster.h"
#include "config/admin_settings.h"
#include "config/consumer_settings.h"
#include "config/producer_settings.h"
#include "config/properties.h"
#include "records/compression.h"

namespace millrace::env {
class Shard;
}

namespace millrace::client {

// The properties of a file; an error names the file.
Result<config::Properties> read_properties(env::Shard& shard, std::string_view path);

// What producers, consumers and admins are configured with: Kafka's keys through the generated
// accessors (config.linger_ms()), and in C++'s types what is more than a number or a text.
//
// parse() takes properties in order, of a file and then of a command line: the last one of a key
// counts. Error INVALID_CONFIG names each wrong key on a line of its own, with its value and what
// is allowed. warnings() are sentences about keys that nobody knows and those that only Java's
// client has a use for. A copy shares the values.

class ProducerConfig : public config::ProducerSettings {
  public:
    static Result<ProducerConfig> parse(const std::vector<config::Property>& properties);

    const std::vector<std::string>& warnings() const { return warnings_; }
    const ClusterOptions& cluster() const { return cluster_; }
    std::int16_t required_acks() const { return required_acks_; }  // -1: all
    Codec codec() const { return codec_; }
    int codec_level() const { return codec_level_; }
    // enable.idempotence; false where it was not set and another key contradicts (acks=1).
    bool idempotent() const { return idempotent_; }
    // delivery.timeout.ms; where it was not set, at least linger.ms and request.timeout.ms.
    Duration delivery_timeout() const { return delivery_timeout_; }

  private:
    using ProducerSettings::ProducerSettings;
    std::vector<std::string> warnings_;
    ClusterOptions cluster_;
    std::int16_t required_acks_ = -1;
    Codec codec_ = Codec::none;
    int codec_level_ = 0;
    bool idempotent_ = true;
    Duration delivery_timeout_;
};

enum class IsolationLevel : std::int8_t { read_uncommitted = 0, read_committed = 1 };

// Where a consumer begins without a committed offset.
struct OffsetReset {
    enum class Strategy : std::uint8_t { none, earliest, latest, by_duration };
    Strategy strategy = Strategy::latest;
    Duration back;  // of by_duration: before now
};

class ConsumerConfig : public config::ConsumerSettings {
  public:
    static Result<ConsumerConfig> parse(const std::vector<config::Property>& properties);

    const std::vector<std::string>& warnings() const { return warnings_; }
    const ClusterOptions& cluster() const { return cluster_; }
    IsolationLevel isolation() const { return isolation_; }
    OffsetReset offset_reset() const { return offset_reset_; }
    // group.protocol=consumer: the group's coordinator decides who reads what (KIP-848).
    bool is_coordinated() const { return coordinated_; }
    // Names as the group protocol has them: "range", "roundrobin", "sticky", "cooperative-sticky".
    const std::vector<std::string>& assignors() const { return assignors_; }
    // enable.auto.commit; false where it was not set and there is no group.
    bool auto_commit() const { return auto_commit_; }

  private:
    using ConsumerSettings::ConsumerSettings;
    std::vector<std::string> warnings_;
    ClusterOptions cluster_;
    IsolationLevel isolation_ = IsolationLevel::read_uncommitted;
    OffsetReset offset_reset_;
    std::vector<std::string> assignors_;
    bool coordinated_ = false;
    bool auto_commit_ = true;
};

// A consumer of a share group: the consumer's keys, but for those that belong to other groups.
class ShareConsumerConfig : public config::ConsumerSettings {
  public:
    static Result<ShareConsumerConfig> parse(const std::vector<config::Property>& properties);

    const std::vector<std::string>& warnings() const { return warnings_; }
    const ClusterOptions& cluster() const { return cluster_; }
    // share.acknowledgement.mode=explicit
    bool explicit_mode() const { return explicit_mode_; }
    // share.acquire.mode=record_limit
    bool record_limit() const { return record_limit_; }

  private:
    using ConsumerSettings::ConsumerSettings;
    std::vector<std::string> warnings_;
    ClusterOptions cluster_;
    bool explicit_mode_ = false;
    bool record_limit_ = false;
};

class AdminConfig : public config::AdminSettings {
  public:
    static Result<AdminConfig> parse(const std::vector<config::Property>& properties);
    // Begins where `bootstrap` says, which is bootstrap.servers or bootstrap.controllers, and not
    // where the properties do.
    static Result<AdminConfig> parse(std::vector<config::Property> properties,
                                     config::Property bootstrap);

    const std::vector<std::string>& warnings() const { return warnings_; }
    const ClusterOptions& cluster() const { return cluster_; }
    // default.api.timeout.ms; where it was not set, at least request.timeout.ms.
    Duration api_timeout() const { return api_timeout_; }

  private:
    using AdminSettings::AdminSettings;
    std::vector<std::string> warnings_;
    ClusterOptions cluster_;
    Duration api_timeout_;
};

}  // namespace millrace::client
