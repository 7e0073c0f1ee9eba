#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "client/cluster.h"
#include "core/metadata/image_tree.h"
#include "core/metadata/replay.h"
#include "core/raft/message.h"
#include "quorum/snapshot_reader.h"

namespace millrace::quorum {

// Reads the committed metadata of a cluster from the controller that leads, as an observer without
// an id: the quorum does not know of it, and nothing is kept on a disk. It follows the leader
// wherever it goes.
class MetadataObserver {
  public:
    // `controllers` has the addresses of controllers (ClusterOptions::controllers). `cluster_id`:
    // the cluster that it has to be; none: the one that is found first.
    explicit MetadataObserver(client::Cluster& controllers,
                              std::optional<std::string> cluster_id = std::nullopt);

    // Takes what is committed by the time that the leader is asked. What may be tried again is,
    // while something comes within `patience`; what was taken stays when this fails.
    // inconsistent_cluster_id for another cluster; request_timed_out with what failed last;
    // invalid_record and unsupported_version for a log that cannot be read.
    Task<Result<>> catch_up(Duration patience);

    metadata::ImagePtr image() { return replay_.image(); }
    const metadata::Provenance& provenance() const { return provenance_; }

  private:
    using Leader = std::shared_ptr<client::BrokerConnection>;
    // A snapshot on its way here.
    struct Download {
        raft::OffsetAndEpoch id;
        std::int64_t position = 0;
        std::vector<std::uint8_t> rest;  // of a batch that is not whole yet
        metadata::Replay replay;
        std::unique_ptr<SnapshotReader> reader;
    };

    Task<Result<Leader>> leader();
    // One request to the leader; true when all that is committed has been taken.
    Task<Result<bool>> step();
    Task<Result<bool>> fetch();
    Task<Result<>> fetch_snapshot();
    // A partition's answer that is no data: the epoch is another one, or the leader.
    Result<> take_refusal(ErrorCode error, std::int32_t leader, std::int32_t epoch,
                          const std::string& asked);
    Result<bool> take(const raft::FetchResponse& response);
    Result<> take_batch(const BatchView& batch);
    void begin_anew();
    void begin_download(const raft::OffsetAndEpoch& id);
    Result<> take_piece(Bytes piece, std::int64_t size);

    client::Cluster& controllers_;
    std::optional<std::string> cluster_id_;
    std::int32_t epoch_ = 0;  // the newest that was heard of
    std::int64_t next_ = 0;
    std::int32_t last_epoch_ = 0;  // of what lies below next_
    metadata::Replay replay_;
    metadata::Provenance provenance_;
    std::unique_ptr<Download> download_;
};

}  // namespace millrace::quorum
