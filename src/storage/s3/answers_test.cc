#include "storage/s3/answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/s3/retry.h"
#include "storage/s3/transport.h"

namespace millrace::storage::s3 {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Answers, AListing) {
    auto page = parse_listing(
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
        "<IsTruncated>true</IsTruncated><NextContinuationToken>a+/=</NextContinuationToken>"
        "<Contents><Key>t/1</Key><Size>3</Size></Contents>"
        "<Contents><Key>t/&amp;2</Key><Owner><ID>Key</ID></Owner></Contents></ListBucketResult>");
    ASSERT_TRUE(page);
    EXPECT_THAT(page->keys, ElementsAre("t/1", "t/&2"));
    EXPECT_EQ(page->next, "a+/=");

    page = parse_listing(
        "<ListBucketResult><IsTruncated>false</IsTruncated>"
        "<NextContinuationToken>x</NextContinuationToken></ListBucketResult>");
    ASSERT_TRUE(page);
    EXPECT_THAT(page->keys, IsEmpty());
    EXPECT_EQ(page->next, "");

    EXPECT_FALSE(
        parse_listing("<ListBucketResult><IsTruncated>true</IsTruncated>"
                      "</ListBucketResult>"));
    EXPECT_FALSE(parse_listing("<html>Welcome</html>"));
    EXPECT_FALSE(parse_listing("<ListBucketResult><Contents><Key>cut"));
}

TEST(Answers, AnUploadId) {
    EXPECT_EQ(parse_upload_id("<InitiateMultipartUploadResult><Bucket>b</Bucket>"
                              "<UploadId>id~1</UploadId></InitiateMultipartUploadResult>"),
              "id~1");
    EXPECT_FALSE(parse_upload_id("<InitiateMultipartUploadResult/>"));
}

TEST(Answers, Complaints) {
    Complaint complaint = parse_complaint(
        "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>Please\x1b[31m reduce\nyour "
        "rate</Message><Region>eu-west-1</Region><AWSAccessKeyId>A</AWSAccessKeyId></Error>");
    EXPECT_EQ(complaint.code, "SlowDown");
    EXPECT_EQ(complaint.message, "Please [31m reduce");
    EXPECT_EQ(complaint.region, "eu-west-1");

    complaint = parse_complaint("bad gateway\n<pre>");
    EXPECT_EQ(complaint.code, "");
    EXPECT_EQ(complaint.message, "bad gateway");
    EXPECT_EQ(parse_complaint(std::string(1000, 'x')).message.size(), 300U);
    EXPECT_EQ(parse_complaint("").message, "");
}

TEST(Answers, ACompletedUploadMayComplain) {
    EXPECT_FALSE(
        is_complaint("<?xml version=\"1.0\"?>\n<CompleteMultipartUploadResult>"
                     "<ETag>&quot;1&quot;</ETag></CompleteMultipartUploadResult>"));
    EXPECT_TRUE(is_complaint("<Error><Code>InternalError</Code></Error>"));
    EXPECT_TRUE(is_complaint("<CompleteMultipartUploadResult><ETag>"));
}

TEST(Answers, TheListOfParts) {
    EXPECT_EQ(complete_upload({{.number = 1, .etag = "\"a\"", .crc32c = "AAAAAA=="},
                               {.number = 2, .etag = "b", .crc32c = "BBBBBB=="}}),
              "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
              "<Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag>"
              "<ChecksumCRC32C>AAAAAA==</ChecksumCRC32C></Part>"
              "<Part><PartNumber>2</PartNumber><ETag>b</ETag>"
              "<ChecksumCRC32C>BBBBBB==</ChecksumCRC32C></Part></CompleteMultipartUpload>");
}

TEST(Retry, WhatMayPass) {
    for (long status : {408, 429, 500, 502, 503, 504}) EXPECT_TRUE(may_pass(status, "")) << status;
    for (long status : {301, 400, 401, 403, 404, 409, 416, 501, 505}) {
        EXPECT_FALSE(may_pass(status, "AccessDenied")) << status;
    }
    EXPECT_TRUE(may_pass(400, "RequestTimeout"));
    EXPECT_TRUE(may_pass(400, "BadDigest"));
    EXPECT_TRUE(may_pass(503, "SlowDown"));
}

TEST(Retry, PausesGrowToABoundAndDiffer) {
    Random random(20261130);
    for (int failed = 1; failed <= 100; ++failed) {
        std::int64_t most = failed < 6 ? 200 << (failed - 1) : 5'000;
        Duration pause = pause_after(failed, random);
        EXPECT_GE(pause.ms(), std::min<std::int64_t>(most, 5'000) / 4) << failed;
        EXPECT_LE(pause.ms(), std::min<std::int64_t>(most, 5'000)) << failed;
    }
    EXPECT_NE(pause_after(9, random), pause_after(9, random));
}

TEST(Transport, PercentEncoding) {
    EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
    EXPECT_EQ(percent_encode("a/b c+=&\xc3\xa4"), "a%2Fb%20c%2B%3D%26%C3%A4");
}

}  // namespace
}  // namespace millrace::storage::s3
