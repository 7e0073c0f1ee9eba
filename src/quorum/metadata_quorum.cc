#include "quorum/metadata_quorum.h"

#include "quorum/metadata_replica.h"

namespace millrace::quorum {

MetadataQuorum::MetadataQuorum(env::Shard& shard, const Options& options)
    : replica_(std::make_unique<MetadataReplica>(shard, options, standing_)) {}

MetadataQuorum::~MetadataQuorum() = default;

Task<Result<std::unique_ptr<MetadataQuorum>>> MetadataQuorum::open(env::Shard& shard,
                                                                   Options options) {
    std::unique_ptr<MetadataQuorum> quorum(new MetadataQuorum(shard, options));
    CO_RETURN_IF_ERROR(co_await quorum->replica_->open());
    co_return std::move(quorum);
}

Task<Result<>> MetadataQuorum::stop(Duration patience) { return replica_->stop(patience); }

Task<Error> MetadataQuorum::failed() { return replica_->failed(); }

metadata::ImagePtr MetadataQuorum::image() const { return replica_->image(); }

Task<metadata::ImagePtr> MetadataQuorum::caught_up() { return replica_->caught_up(); }

Task<metadata::ImagePtr> MetadataQuorum::image_after(std::int64_t offset) {
    return replica_->image_after(offset);
}

QuorumStatus MetadataQuorum::status() const { return replica_->status(); }

QuorumFigures MetadataQuorum::figures() const { return replica_->figures(); }

std::optional<Duration> MetadataQuorum::since_heartbeat(std::int32_t broker) const {
    return replica_->since_heartbeat(broker);
}

std::optional<env::Address> MetadataQuorum::leader_address() const {
    return replica_->leader_address();
}

Task<void> MetadataQuorum::leader_changed(std::int32_t from) {
    return replica_->leader_changed(from);
}

Task<QuorumAnswer<VoteResponse>> MetadataQuorum::answer(const VoteRequest& request, Asker asker) {
    return replica_->answer(request, asker);
}

Task<QuorumAnswer<BeginQuorumEpochResponse>> MetadataQuorum::answer(
    const BeginQuorumEpochRequest& request, Asker asker) {
    return replica_->answer(request, asker);
}

Task<QuorumAnswer<EndQuorumEpochResponse>> MetadataQuorum::answer(
    const EndQuorumEpochRequest& request, Asker asker) {
    return replica_->answer(request, asker);
}

Task<QuorumAnswer<FetchResponse>> MetadataQuorum::answer(const FetchRequest& request, Asker asker) {
    return replica_->answer(request, asker);
}

Task<QuorumAnswer<FetchSnapshotResponse>> MetadataQuorum::answer(
    const FetchSnapshotRequest& request, Asker asker) {
    return replica_->answer(request, asker);
}

Task<QuorumAnswer<AddRaftVoterResponse>> MetadataQuorum::answer(const AddRaftVoterRequest& request,
                                                                Asker asker) {
    return replica_->answer(request, asker);
}

Task<QuorumAnswer<RemoveRaftVoterResponse>> MetadataQuorum::answer(
    const RemoveRaftVoterRequest& request, Asker asker) {
    return replica_->answer(request, asker);
}

Task<QuorumAnswer<UpdateRaftVoterResponse>> MetadataQuorum::answer(
    const UpdateRaftVoterRequest& request, Asker asker) {
    return replica_->answer(request, asker);
}

Task<Result<std::int64_t>> MetadataQuorum::commit(const Decide& decide) {
    return replica_->commit(decide);
}

}  // namespace millrace::quorum
