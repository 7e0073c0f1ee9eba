// dump-log against what Apache Kafka's DumpLogSegments printed (recorded/dump_log), and against
// files that are broken in every way that a seed comes upon.

#include "server/dump_log.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/random.h"
#include "env/posix/disk.h"

namespace millrace::server {
namespace {

namespace fs = std::filesystem;

const std::string here = MILLRACE_SOURCE_DIR "/src/server/recorded/dump_log";
const std::string storage = MILLRACE_SOURCE_DIR "/src/storage/testdata/apache-0";

struct Texts final : TextSink {
    void out(std::string_view text) override { stdout_text += text; }
    void err(std::string_view text) override { stderr_text += text; }
    std::string stdout_text;
    std::string stderr_text;
};

struct Ran {
    std::string out;
    std::string err;
    int exit_code = -1;
};

Ran run(const std::vector<std::string>& arguments) {
    Texts texts;
    env::posix::Disk disk;
    DumpArguments parsed = parse_dump_arguments(arguments, texts);
    int code = parsed.exit_code ? *parsed.exit_code : dump_files(disk, parsed.options, texts);
    return {texts.stdout_text, texts.stderr_text, code};
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
        text.replace(at, what.size(), with);
    }
    return text;
}

std::string content(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

std::vector<std::string> words_of(const std::string& text) {
    std::vector<std::string> words;
    std::istringstream in(replaced(replaced(text, "{here}", here), "{storage}", storage));
    for (std::string word; in >> word;) words.push_back(word);
    return words;
}

TEST(DumpLog, PrintsWhatApacheKafkaPrints) {
    int cases = 0;
    for (const std::string& line : lines_of(content(here + "/cases.tsv"))) {
        if (line.starts_with("#")) continue;
        std::size_t tab = line.find('\t');
        SCOPED_TRACE(line);
        Ran ran = run(words_of(line.substr(tab + 1)));
        std::string expected = content(here + "/" + line.substr(0, tab) + ".txt");
        ASSERT_NE(expected, "");
        std::string told = ran.exit_code == 0 ? ran.err : "";
        std::string text =
            ran.out + "=== stderr\n" + told + "=== exit " + std::to_string(ran.exit_code) + "\n";
        EXPECT_EQ(replaced(replaced(text, here, "{here}"), storage, "{storage}"), expected);
        ++cases;
    }
    EXPECT_GE(cases, 16);
}

// As Kafka's tool leaves it: the line ends where the contents would begin.
TEST(DumpLog, EndsWithinTheLineOfARecordThatTheDecoderCannotRead) {
    Ran ran = run({"--key-decoder-class", "org.apache.kafka.tools.api.LongDecoder",
                   "--print-data-log", "--files", storage + "/00000000000000000020.log"});
    EXPECT_NE(ran.exit_code, 0);
    ASSERT_FALSE(ran.out.empty());
    EXPECT_TRUE(ran.out.ends_with("headerKeys: []")) << ran.out;
}

TEST(DumpLog, GivesOneJsonObjectALine) {
    Ran ran =
        run({"--format", "json", "--print-data-log", "--files",
             storage + "/00000000000000000043.log," + storage + "/00000000000000000043.txnindex"});
    EXPECT_EQ(ran.exit_code, 0);
    std::vector<std::string> lines = lines_of(ran.out);
    ASSERT_GT(lines.size(), 60U);
    for (const std::string& line : lines) {
        EXPECT_TRUE(line.starts_with("{\"kind\":\"") && line.ends_with("}")) << line;
    }
    EXPECT_EQ(lines[1], R"({"kind":"log","startOffset":43})");
    EXPECT_TRUE(
        lines[2].starts_with(R"({"kind":"batch","baseOffset":43,"lastOffset":43,"count":1)"))
        << lines[2];
    EXPECT_NE(ran.out.find(R"("control":{"type":"ABORT","coordinatorEpoch":)"), std::string::npos);
    EXPECT_NE(ran.out.find(R"({"kind":"abortedTransaction","version":0,"producerId":)"),
              std::string::npos);
    EXPECT_EQ(lines.back(), R"({"kind":"offsetGap","file":")" + storage +
                                R"(/00000000000000000043.log","offset":-1,"nextOffset":43})");
}

TEST(DumpLog, ShowsDecodedRecordsAsJsonNotAsText) {
    Ran ran = run({"--format=json", "--offsets-decoder", "--files",
                   here + "/offsets/00000000000000000000.log"});
    EXPECT_EQ(ran.exit_code, 0);
    EXPECT_NE(
        ran.out.find(R"("key":{"type":"2","data":{"group":"g-classic"}},"payload":{"version")"),
        std::string::npos);
    EXPECT_NE(ran.out.find(R"("payload":null})"), std::string::npos);  // a tombstone
}

TEST(DumpLogArguments, RefusesWhatItCannotDo) {
    EXPECT_EQ(run({}).exit_code, 1);
    EXPECT_EQ(run({"--deep-iteration"}).exit_code, 1);
    EXPECT_EQ(run({"--what"}).exit_code, 1);
    EXPECT_EQ(run({"--files", "0.log", "--max-bytes", "-1"}).exit_code, 1);
    EXPECT_EQ(run({"--files", "0.log", "--format", "xml"}).exit_code, 1);
    Ran java = run({"--files", "0.log", "--value-decoder-class", "com.example.Mine"});
    EXPECT_EQ(java.exit_code, 1);
    EXPECT_NE(java.err.find("com.example.Mine is a Java class"), std::string::npos) << java.err;
    Ran help = run({"--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_NE(help.out.find("--share-group-state-decoder"), std::string::npos);
    EXPECT_EQ(run({"--version"}).out, "4.3.1\n");
}

class BrokenFiles : public testing::Test {
  protected:
    BrokenFiles() {
        std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
        folder_ = fs::temp_directory_path() /
                  ("millrace-dump-" + std::to_string(::getpid()) + "-" + name);
        fs::create_directories(folder_);
    }
    ~BrokenFiles() override { fs::remove_all(folder_); }

    std::string write(const std::string& name, const std::string& bytes) {
        std::ofstream(folder_ / name, std::ios::binary) << bytes;
        return folder_ / name;
    }

    fs::path folder_;
};

TEST_F(BrokenFiles, SayWhatIsWrong) {
    Ran missing = run({"--files", folder_ / "00000000000000000000.log"});
    EXPECT_EQ(missing.exit_code, 1);
    EXPECT_NE(missing.err.find("00000000000000000000.log"), std::string::npos) << missing.err;

    std::string batch = content(storage + "/00000000000000000000.log").substr(0, 117);
    std::string cut = write("00000000000000000000.log", batch + batch.substr(0, 100));
    EXPECT_NE(run({"--files", cut}).out.find("Found 100 invalid bytes at the end of "),
              std::string::npos);

    std::string huge = batch;
    huge.replace(8, 4, "\x7f\xff\xff\xff");
    EXPECT_NE(run({"--files", write("00000000000000000001.log", huge)}).out.find("Found 117 inv"),
              std::string::npos);

    std::string negative = batch;
    negative.replace(8, 4, "\xff\xff\xff\xff");
    Ran refused = run({"--files", write("00000000000000000002.log", negative)});
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_NE(refused.err.find("but it is -1"), std::string::npos) << refused.err;

    Ran named = run({"--files", write("some.log", batch)});
    EXPECT_EQ(named.exit_code, 1);
    EXPECT_NE(named.err.find("does not begin with an offset"), std::string::npos) << named.err;
}

TEST_F(BrokenFiles, RecordsOfABatchAboveTheLimitAreNotRead) {
    std::string file = storage + "/00000000000000000000.log";
    Texts texts;
    env::posix::Disk disk;
    DumpOptions options{.files = {file}};
    options.records.batch_limit = 110;
    EXPECT_EQ(dump_files(disk, options, texts), 0);  // batches alone take no memory
    options.records.records = true;
    EXPECT_EQ(dump_files(disk, options, texts), 1);
    EXPECT_NE(texts.stderr_text.find("has 117 bytes; raise --max-message-size"), std::string::npos)
        << texts.stderr_text;
}

TEST_F(BrokenFiles, OfAbortedTransactionsKafkaReadsOneByteOfTheVersion) {
    const std::string name = "00000000000000000043.txnindex";
    std::string bytes = content(storage + "/" + name);
    ASSERT_GE(bytes.size(), 34U);
    bytes[1] = 64;
    write(name, bytes);
    Ran read = run({"--files", folder_ / name});
    EXPECT_EQ(read.exit_code, 0) << read.err;
    EXPECT_NE(read.out.find("version: 0 producerId: "), std::string::npos) << read.out;
    bytes[0] = 1;
    write(name, bytes);
    Ran refused = run({"--files", folder_ / name});
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_NE(refused.err.find("has an entry of version 1; 0 is known"), std::string::npos)
        << refused.err;
}

TEST_F(BrokenFiles, EndInTextAndAnExitCodeWhateverTheyHold) {
    const std::uint64_t seed = 20261126;
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::string name = "00000000000000000043";
    const std::vector<std::string> suffixes = {".log", ".index", ".timeindex", ".snapshot",
                                               ".txnindex"};
    const std::vector<std::string> flags = {"--print-data-log", "--offsets-decoder",
                                            "--cluster-metadata-decoder", "--index-sanity-check"};
    for (int round = 0; round < 100; ++round) {
        for (const std::string& suffix : suffixes) {
            std::string bytes = content(storage + "/" + name + suffix);
            for (auto hits = random.below(3); hits > 0 && !bytes.empty(); --hits) {
                bytes[random.below(bytes.size())] = static_cast<char>(random.next());
            }
            if (random.chance(0.2)) bytes.resize(random.below(bytes.size() + 1));
            if (random.chance(0.2))
                bytes.append(random.below(90), static_cast<char>(random.next()));
            write(name + suffix, bytes);
        }
        // One after the other, since the first that fails is the last.
        for (const std::string& suffix : suffixes) {
            Ran ran =
                run({random.chance(0.5) ? "--format=text" : "--format=json",
                     flags[random.below(flags.size())], "--files", folder_ / (name + suffix)});
            EXPECT_TRUE(ran.exit_code == 0 || (ran.exit_code == 1 && !ran.err.empty()));
            EXPECT_LT(ran.out.size(), 1U << 20U);
        }
    }
}

}  // namespace
}  // namespace millrace::server
