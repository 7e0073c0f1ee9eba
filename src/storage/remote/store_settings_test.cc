#include "storage/remote/store_settings.h"

#include <gtest/gtest.h>

namespace millrace::storage::remote {
namespace {

using Values = std::map<std::string, std::string, std::less<>>;

Result<StoreSettings> parse(std::string_view class_name, const Values& values,
                            const Values& environment = {}) {
    return parse_store_settings(class_name, values, "rsm.config.",
                                [&](std::string_view name) -> std::optional<std::string> {
                                    auto at = environment.find(name);
                                    if (at == environment.end()) return std::nullopt;
                                    return at->second;
                                });
}

const Values least{{"s3.bucket.name", "segments"},
                   {"s3.region", "eu-central-1"},
                   {"aws.access.key.id", "id"},
                   {"aws.secret.access.key", "secret"}};

Values with(Values values, std::string_view key, std::string_view value) {
    values.insert_or_assign(std::string(key), std::string(value));
    return values;
}

S3Settings parsed(const Values& values, const Values& environment = {}) {
    auto settings = parse("s3", values, environment);
    EXPECT_TRUE(settings) << settings.error().message;
    return settings ? std::get<S3Settings>(*settings) : S3Settings();
}

TEST(StoreSettings, ADirectory) {
    auto settings = parse("directory", {{"directory.path", "/mnt/segments/"}});
    ASSERT_TRUE(settings) << settings.error().message;
    EXPECT_EQ(std::get<DirectorySettings>(*settings).path, "/mnt/segments");
    EXPECT_EQ(
        parse("directory", {}).error().message,
        "rsm.config.directory.path is not set: it takes a directory that every broker mounts");
}

TEST(StoreSettings, S3WithLittle) {
    S3Settings settings = parsed(least);
    EXPECT_EQ(settings.endpoint, "https://s3.eu-central-1.amazonaws.com");
    EXPECT_FALSE(settings.path_style);
    EXPECT_TRUE(settings.uses_tls());
    EXPECT_EQ(settings.part_size, 16U << 20U);
    EXPECT_EQ(settings.prefix, "");
    EXPECT_EQ(parsed(with(least, "s3.region", "cn-north-1")).endpoint,
              "https://s3.cn-north-1.amazonaws.com.cn");
    // A certificate of *.s3.REGION.amazonaws.com covers one label.
    EXPECT_TRUE(parsed(with(least, "s3.bucket.name", "a.b")).path_style);
}

TEST(StoreSettings, S3WithEverything) {
    Values values = least;
    values.insert({{"s3.endpoint.url", "http://127.0.0.1:9000"},
                   {"s3.path.style.access.enabled", "false"},
                   {"s3.multipart.upload.part.size", "5242880"},
                   {"s3.api.call.attempt.timeout", "30000"},
                   {"s3.storage.class", "STANDARD_IA"},
                   {"s3.ca.file", "/etc/ca.pem"},
                   {"key.prefix", "kafka/one"},
                   {"aws.session.token", "token"},
                   {"aws.profile", "tiering"}});
    S3Settings wanted{.bucket = "segments",
                      .region = "eu-central-1",
                      .endpoint = "http://127.0.0.1:9000",
                      .path_style = false,
                      .part_size = 5 << 20,
                      .attempt_timeout = Duration::seconds(30),
                      .storage_class = "STANDARD_IA",
                      .prefix = "kafka/one/",
                      .ca_file = "/etc/ca.pem",
                      .access_key_id = "id",
                      .secret_access_key = "secret",
                      .session_token = "token",
                      .credentials_file = "",
                      .profile = "tiering"};
    EXPECT_EQ(parsed(values), wanted);
}

TEST(StoreSettings, AnEndpointOfOnesOwn) {
    Values values = with(least, "s3.endpoint.url", "https://s3.example.com");
    values.erase("s3.region");
    EXPECT_EQ(parsed(values).region, "us-east-1");
    EXPECT_TRUE(parsed(values).path_style);
}

TEST(StoreSettings, CredentialsComeFromTheEnvironment) {
    Values values{{"s3.bucket.name", "segments"}};
    Values environment{{"AWS_REGION", "eu-west-1"},
                       {"AWS_ACCESS_KEY_ID", "env id"},
                       {"AWS_SECRET_ACCESS_KEY", "env secret"},
                       {"AWS_SESSION_TOKEN", "env token"},
                       {"HOME", "/var/lib/kafka"}};
    S3Settings settings = parsed(values, environment);
    EXPECT_EQ(settings.region, "eu-west-1");
    EXPECT_EQ(settings.access_key_id, "env id");
    EXPECT_EQ(settings.secret_access_key, "env secret");
    EXPECT_EQ(settings.session_token, "env token");
    EXPECT_EQ(settings.credentials_file, "");

    environment.erase("AWS_ACCESS_KEY_ID");
    settings = parsed(values, environment);
    EXPECT_EQ(settings.access_key_id, "");
    EXPECT_EQ(settings.credentials_file, "/var/lib/kafka/.aws/credentials");
    environment["AWS_SHARED_CREDENTIALS_FILE"] = "/etc/aws";
    EXPECT_EQ(parsed(values, environment).credentials_file, "/etc/aws");
    // What the file of the node says comes first.
    settings = parsed(least, environment);
    EXPECT_EQ(settings.access_key_id, "id");
    EXPECT_EQ(settings.session_token, "");
    EXPECT_EQ(settings.region, "eu-central-1");
}

TEST(StoreSettings, WrongOnesAreNamedAndSecretsAreNot) {
    struct Case {
        std::string_view key, value, sentence;
    };
    for (const Case& one : {
             Case{"s3.bucket.name", "a/b", "is 'a/b': it takes the name of a bucket"},
             {"s3.bucket.name", "", "is empty"},
             {"s3.endpoint.url", "localhost:9000", "it takes http://HOST[:PORT] or https://"},
             {"s3.endpoint.url", "http://h/path", "it takes http://HOST[:PORT] or https://"},
             {"s3.endpoint.url", "http://user:pw@h", "it takes http://HOST[:PORT] or https://"},
             {"s3.region", "eu:1", "is 'eu:1': it takes the name of a region"},
             {"s3.path.style.access.enabled", "yes", "is 'yes': it takes true or false"},
             {"s3.multipart.upload.part.size", "5242879", "a number from 5242880 to 536870912"},
             {"s3.multipart.upload.part.size", "16MB", "is '16MB'"},
             {"s3.api.call.attempt.timeout", "0", "a number from 1000 to 3600000"},
             {"s3.storage.class", "COLD!", "it takes a storage class"},
             {"key.prefix", "/a", "is '/a'"},
             {"key.prefix", "a/../b", "is 'a/../b'"},
             {"key.prefix", "a b", "is 'a b'"},
             {"s3.bucket", "x",
              "is no setting of the s3 store; did you mean "
              "rsm.config.s3.bucket.name?"},
             {"directory.path", "/x", "is no setting of the s3 store"},
             {"aws.credentials.file", "/x", "and aws.access.key.id exclude each other"},
         }) {
        auto settings = parse("s3", with(least, one.key, one.value));
        ASSERT_FALSE(settings) << one.key << "=" << one.value;
        EXPECT_EQ(settings.error().code, ErrorCode::invalid_config);
        const std::string& message = settings.error().message;
        EXPECT_TRUE(message.starts_with("rsm.config." + std::string(one.key) + " ")) << message;
        EXPECT_TRUE(message.contains(one.sentence)) << message;
        EXPECT_FALSE(message.contains("secret'") || message.contains("'id'")) << message;
    }
    Values half = least;
    half.erase("aws.secret.access.key");
    EXPECT_TRUE(parse("s3", half).error().message.contains("go together"));
    Values none{{"s3.bucket.name", "b"}, {"s3.region", "r"}};
    EXPECT_TRUE(parse("s3", none).error().message.contains("AWS_ACCESS_KEY_ID"));
    none.erase("s3.region");
    EXPECT_TRUE(parse("s3", none).error().message.contains("rsm.config.s3.region is not set"));
}

TEST(StoreSettings, ClassesOfJavaAreRefused) {
    auto settings = parse("io.aiven.kafka.tieredstorage.RemoteStorageManager", {});
    ASSERT_FALSE(settings);
    EXPECT_EQ(
        settings.error().message,
        "remote.log.storage.manager.class.name is "
        "'io.aiven.kafka.tieredstorage.RemoteStorageManager': it takes s3 or directory, which "
        "are built in, with their settings under rsm.config. (docs/tiered-storage.md); "
        "classes of Java cannot be loaded");
}

TEST(Credentials, OfAProfile) {
    constexpr std::string_view text =
        "# mine\n[default]\naws_access_key_id = A\naws_secret_access_key=s/+=\n\n"
        "[ tiering ]\r\n  aws_access_key_id=B\r\naws_secret_access_key = t = u\n"
        "aws_session_token=v\nregion = x\n[half]\naws_access_key_id=C\n";
    auto found = parse_credentials(text, "f", "default");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->access_key_id, "A");
    EXPECT_EQ(found->secret_access_key, "s/+=");
    EXPECT_EQ(found->session_token, "");
    found = parse_credentials(text, "f", "tiering");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->access_key_id, "B");
    EXPECT_EQ(found->secret_access_key, "t = u");
    EXPECT_EQ(found->session_token, "v");
    for (std::string_view profile : {"half", "none"}) {
        found = parse_credentials(text, "the file", profile);
        ASSERT_FALSE(found);
        EXPECT_TRUE(found.error().message.starts_with("the file has no aws_access_key_id"));
        EXPECT_FALSE(found.error().message.contains("C\n"));
    }
}

}  // namespace
}  // namespace millrace::storage::remote
