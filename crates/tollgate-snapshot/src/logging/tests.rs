use super::*;

fn text(text: &str) -> Vec<Piece> {
    match Format::parse(text).unwrap().shape() {
        Shape::Text(pieces) => pieces.clone(),
        Shape::Json(_) => unreachable!(),
    }
}

fn error(text: &str) -> String {
    Format::parse(text).unwrap_err().to_string()
}

fn field(operator: Operator) -> Piece {
    Piece::Field(Field { operator, most: None })
}

fn literal(text: &str) -> Piece {
    Piece::Literal(text.into())
}

#[test]
fn a_text_is_taken_apart_into_literals_and_operators() {
    let wanted = [
        literal("["),
        field(Operator::StartTime(TimeFormat::Rfc3339)),
        literal("] 100% of "),
        field(Operator::Protocol),
    ];
    assert_eq!(text("[%START_TIME%] 100%% of %PROTOCOL%\n"), wanted);
    assert_eq!(text(""), []);
}

#[test]
fn a_header_has_an_alternative_and_a_length() {
    let headers = LoggedHeaders { first: LoggedHeader::OriginalPath, second: Some(LoggedHeader::Path) };
    let wanted = Piece::Field(Field { operator: Operator::Request(headers), most: Some(10) });
    assert_eq!(text("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH):10%"), [wanted]);
}

#[test]
fn a_time_format_may_hold_percent_signs() {
    let time = |text: &str| field(Operator::StartTime(TimeFormat::Strftime(text.into())));
    assert_eq!(text("%START_TIME(%Y/%m/%dT%H:%M:%S%z %s)%!"), [time("%Y/%m/%dT%H:%M:%S%z %s"), literal("!")]);
    assert_eq!(text("%START_TIME(%s.%3f)%%START_TIME(%f)%"), [time("%s.%3f"), time("%9f")]);
    assert_eq!(text("%START_TIME(%H:%M:%E3S%Ez)%"), [time("%H:%M:%S.%3f%:z")]);
    assert!(error("%START_TIME(%Q)%").contains("START_TIME"));
}

#[test]
fn metadata_is_found_by_namespace_and_keys() {
    let path = |namespace, keys: &[&str]| {
        let keys = keys.iter().map(|key| Box::from(*key)).collect();
        field(Operator::Metadata(MetadataPath { namespace, keys }))
    };
    let wanted = [path(Namespace::AiGateway, &["llm_input_token"])];
    assert_eq!(text("%DYNAMIC_METADATA(io.envoy.ai_gateway:llm_input_token)%"), wanted);
    assert_eq!(text("%METADATA(DYNAMIC:io.envoy.ai_gateway:llm_input_token)%"), wanted);
    let wanted = [path(Namespace::Jwt, &["corp", "sub"])];
    assert_eq!(text("%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:corp:sub)%"), wanted);
    assert_eq!(text("%DYNAMIC_METADATA(other.filter:key)%"), [field(Operator::Empty("DYNAMIC_METADATA"))]);
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(error("%NO_SUCH_THING%"), "unknown command operator %NO_SUCH_THING%");
    assert_eq!(error("%ENVIRONMENT(OPENAI_API_KEY)%"), "command operator %ENVIRONMENT% is not served");
    assert_eq!(error("50% off"), "the `%` at byte 2 begins no command operator; `%%` writes a percent sign");
    assert_eq!(error("%REQ(A"), "the `%` at byte 0 begins no command operator; `%%` writes a percent sign");
    assert_eq!(error("%REQ%"), "command operator %REQ%: \"\" is not HEADER or HEADER?OTHER");
    assert_eq!(error("%REQ(a b)%"), "command operator %REQ%: \"a b\" is not HEADER or HEADER?OTHER");
    assert_eq!(error("%DURATION(x)%"), "command operator %DURATION(x)% takes no argument");
    assert!(error("%REQ(A):99999999999999999999999%").contains("byte 0"));
    let error = Format::json([("ok", "%DURATION%"), ("bad", "%DURATIONS%")]).unwrap_err();
    assert_eq!(error.to_string(), "bad: unknown command operator %DURATIONS%");
}

#[test]
fn the_default_is_envoy_gateways_line() {
    let format = Format::default();
    let Shape::Json(members) = format.shape() else { unreachable!() };
    assert_eq!(members.len(), format::DEFAULT.len());
    let empty: Vec<_> = format.empty_operators().collect();
    assert_eq!(
        empty,
        ["CONNECTION_TERMINATION_DETAILS", "UPSTREAM_LOCAL_ADDRESS", "DOWNSTREAM_LOCAL_ADDRESS"]
    );
}

#[test]
fn settings_know_which_headers_of_replies_they_show() {
    let log = |text: &str| AccessLogRule {
        scope: LogScope::All,
        filters: Vec::new(),
        format: Format::parse(text).unwrap(),
        files: Vec::new(),
        collectors: Vec::new(),
    };
    let settings = AccessLogSettings::new(vec![
        log("%RESP(X-A?X-B)% %REQ(X-C)% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
        log("%RESP(x-a)% %RESP(Set-Cookie)%"),
    ]);
    assert_eq!(settings.reply_headers(), ["set-cookie", "x-a", "x-b"]);
    let filtered = AccessLogRule {
        filters: vec![Expression::condition("response.headers['x-d'] == 'No'", &Root::ALL).unwrap()],
        ..log("%CEL('x-e' in response.headers)% %CEL(request.headers['x-f'])%")
    };
    assert_eq!(AccessLogSettings::new(vec![filtered]).reply_headers(), ["no", "x-d", "x-e"]);
    let hidden: Vec<_> = settings.logs()[1].format.hidden_headers().collect();
    assert_eq!(hidden, ["set-cookie"]);
}

#[test]
fn an_expression_may_hold_what_ends_an_operator() {
    let cel = |source: &str| Arc::new(Expression::new(source, &Root::ALL).unwrap());
    let source = "has(request.headers) ? string(response.code % 100) : '-'";
    assert_eq!(
        text(&format!("%CEL({source}):3%!")),
        [
            Piece::Field(Field { operator: Operator::Cel(cel(source), CelType::Text), most: Some(3) }),
            literal("!"),
        ]
    );
    assert_eq!(text("%TYPED_CEL(request.size)%"), [field(Operator::Cel(cel("request.size"), CelType::Own))]);
    assert!(error("%CEL(requests.size)%").contains("unknown attribute requests"));
    assert!(error("%CEL%").contains("%CEL%"));
}
