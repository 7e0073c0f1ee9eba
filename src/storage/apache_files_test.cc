// A directory that Apache Kafka 4.3.1 wrote (testdata/apache-0: plain, transactional and compressed
// batches; index.interval.bytes=150, segment.index.bytes=120, stopped cleanly) is read, and the
// same batches appended by Millrace give the same files.

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <unistd.h>

#include "env/disk.h"
#include "env/posix/world.h"
#include "records/batch.h"
#include "storage/directory_health.h"
#include "storage/file_names.h"
#include "storage/log.h"
#include "storage/transaction_index.h"

namespace millrace::storage {
namespace {

namespace fs = std::filesystem;

const fs::path apache = fs::path(MILLRACE_SOURCE_DIR) / "src/storage/testdata/apache-0";

// Apart from what Apache does not know of.
std::map<std::string, std::string> files_of(const fs::path& directory) {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(directory)) {
        if (entry.path().native().ends_with(transaction_sum_suffix)) continue;
        if (entry.path().filename().native().starts_with(".millrace-")) continue;
        std::ifstream in(entry.path(), std::ios::binary);
        files[entry.path().filename()] = {std::istreambuf_iterator<char>(in), {}};
    }
    return files;
}

class ApacheFiles : public testing::Test {
  protected:
    ApacheFiles() {
        std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
        directory_ = fs::temp_directory_path() /
                     ("millrace-apache-" + std::to_string(::getpid()) + "-" + name);
        fs::create_directories(directory_);
    }
    ~ApacheFiles() override { fs::remove_all(directory_); }

    LogOrigin origin(const std::string& name, bool clean) const {
        LogOrigin origin{.path = directory_ / name, .clean_shutdown = clean};
        origin.options.index_interval_bytes = 150;
        origin.options.segment_index_bytes = 120;
        origin.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
        return origin;
    }

    fs::path directory_;
    DirectoryHealth health_;
};

Task<void> expect_apache_state(Log& log) {
    EXPECT_EQ(log.start_offset(), 0);
    EXPECT_EQ(log.end_offset(), 82);
    EXPECT_EQ(log.segment_count(), 5U);
    EXPECT_EQ(log.epochs().entries(), (std::vector<EpochStart>{{0, 0}}));
    EXPECT_EQ(log.last_stable_offset(82), 82);
    EXPECT_EQ(log.aborted_transactions(0, 82)->size(), 3U);
    EXPECT_EQ(log.producers().producers().size(), 2U);
    auto found = co_await log.find_by_timestamp(1764000000100);
    EXPECT_EQ(found->value().offset, 11);
}

TEST_F(ApacheFiles, AreReadAfterACleanEnd) {
    fs::copy(apache, directory_ / "t-0");
    env::posix::World world({.shards = 1});
    world.run([&](env::Shard& shard) -> Task<int> {
        auto log = co_await Log::open(shard, health_, origin("t-0", true));
        EXPECT_TRUE(log) << log.error().message;
        co_await expect_apache_state(**log);
        EXPECT_TRUE(co_await (*log)->close());
        co_return 0;
    });
    EXPECT_EQ(files_of(directory_ / "t-0"), files_of(apache));
}

TEST_F(ApacheFiles, AreRebuiltByRecoveryAsTheyWere) {
    fs::copy(apache, directory_ / "t-0");
    for (const auto& entry : fs::directory_iterator(directory_ / "t-0")) {
        if (entry.path().extension() == ".index") fs::resize_file(entry.path(), 120);
        if (entry.path().extension() == ".timeindex") fs::resize_file(entry.path(), 120);
        if (entry.path().extension() == ".snapshot") fs::remove(entry.path());
        if (entry.path().extension() == ".txnindex") fs::remove(entry.path());
    }
    env::posix::World world({.shards = 1});
    world.run([&](env::Shard& shard) -> Task<int> {
        auto log = co_await Log::open(shard, health_, origin("t-0", false));
        EXPECT_TRUE(log) << log.error().message;
        co_await expect_apache_state(**log);
        EXPECT_EQ((*log)->flushed_end_offset(), 0);
        EXPECT_TRUE(co_await (*log)->durable(82));
        EXPECT_TRUE(co_await (*log)->close());
        co_return 0;
    });
    EXPECT_EQ(files_of(directory_ / "t-0"), files_of(apache));
}

TEST_F(ApacheFiles, AreWhatTheSameBatchesGive) {
    fs::create_directories(directory_ / "t-0");
    fs::copy(apache / "partition.metadata", directory_ / "t-0");
    env::posix::World world({.shards = 1});
    world.run([&](env::Shard& shard) -> Task<int> {
        auto log = co_await Log::open(shard, health_, origin("t-0", false));
        EXPECT_TRUE(log) << log.error().message;
        for (const auto& [name, content] : files_of(apache)) {
            if (!name.ends_with(".log")) continue;
            BatchReader reader(as_bytes(content));
            while (auto batch = reader.next().value()) {
                auto appended = (*log)->append_as_follower(Slice::copy(batch->bytes()));
                EXPECT_TRUE(appended) << appended.error().message;
            }
        }
        EXPECT_TRUE(co_await (*log)->durable(82));
        co_await expect_apache_state(**log);
        EXPECT_TRUE(co_await (*log)->close());
        co_return 0;
    });
    EXPECT_EQ(files_of(directory_ / "t-0"), files_of(apache));
}

}  // namespace
}  // namespace millrace::storage
