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

Task<Result<>> MetadataQuorum::stop() { return replica_->stop(); }

Task<Error> MetadataQuorum::failed() { return replica_->failed(); }

metadata::ImagePtr MetadataQuorum::image() const { return replica_->image(); }

Task<metadata::ImagePtr> MetadataQuorum::caught_up() { return replica_->caught_up(); }

Task<metadata::ImagePtr> MetadataQuorum::image_after(std::int64_t offset) {
    return replica_->image_after(offset);
}

QuorumStatus MetadataQuorum::status() const { return replica_->status(); }

Task<Result<std::int64_t>> MetadataQuorum::commit(const Decide& decide) {
    return replica_->commit(decide);
}

}  // namespace millrace::quorum
