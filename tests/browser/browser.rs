//! A browser of the test's own, with a camera that shows a photo.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use image::imageops::{self, FilterType};
use image::{ImageFormat, RgbImage};
use serde_json::{Value, json};

/// How long anything may take to appear.
const PATIENCE: Duration = Duration::from_secs(30);

/// The width and height of the camera's pictures.
const CAMERA: (u32, u32) = (640, 480);

/// A width and height of the window.
pub type Size = (u32, u32);
pub const DESK: Size = (1280, 900);
pub const PHONE: Size = (390, 844);

/// A headless Chromium.
pub struct Browser {
    pub client: Client,
    driver: Driver,
    address: SocketAddr,
    _camera: tempfile::NamedTempFile,
}

impl Browser {
    /// Opens a browser on a service, with a camera before which this photo of the fixtures stands.
    pub async fn open(address: SocketAddr, photo: &str) -> Self {
        let mut driver = Driver::start();
        let camera = camera(photo);
        let arguments = [
            "--headless=new".to_owned(),
            // Tests may run as root, where Chromium's sandbox does not.
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-gpu".to_owned(),
            "--lang=en-GB".to_owned(),
            "--use-fake-device-for-media-stream".to_owned(),
            "--use-fake-ui-for-media-stream".to_owned(),
            format!("--use-file-for-fake-video-capture={}", camera.path().display()),
        ];
        let wanted = json!({"goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"}});
        let Value::Object(wanted) = wanted else { unreachable!() };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted)
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .expect("a browser");
        driver.session = client.session_id().await.expect("a session");
        let browser = Self { client, driver, address, _camera: camera };
        browser.resize(DESK).await;
        browser
    }

    /// Goes to a page of the service.
    pub async fn go(&self, path: &str) {
        self.client.goto(&format!("http://{}{path}", self.address)).await.unwrap();
    }

    pub async fn resize(&self, (width, height): Size) {
        self.client.set_window_size(width, height).await.unwrap();
    }

    /// Signs in on the page that asks for it.
    pub async fn sign_in(&self, key: &str) {
        self.go("/console").await;
        self.labelled("API key").await.send_keys(key).await.unwrap();
        self.press("Sign in").await;
        self.find("//button[normalize-space()='Sign out']").await;
    }

    /// The element at an XPath, once it is there and shown.
    pub async fn find(&self, path: &str) -> Element {
        let since = Instant::now();
        loop {
            for element in self.client.find_all(Locator::XPath(path)).await.unwrap_or_default() {
                if element.is_displayed().await.unwrap_or_default() {
                    return element;
                }
            }
            if since.elapsed() > PATIENCE {
                let page = self.text().await;
                panic!("there is no {path} within {PATIENCE:?} on\n{page}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether something is shown now.
    pub async fn shows(&self, path: &str) -> bool {
        for element in self.client.find_all(Locator::XPath(path)).await.unwrap_or_default() {
            if element.is_displayed().await.unwrap_or_default() {
                return true;
            }
        }
        false
    }

    /// The control with this label.
    pub async fn labelled(&self, label: &str) -> Element {
        let label = self.find(&format!("//label[normalize-space()='{label}']")).await;
        let id = label.attr("for").await.unwrap().expect("a label for something");
        self.find(&format!("//*[@id='{id}']")).await
    }

    /// Presses the button, or follows the link, that says this.
    pub async fn press(&self, text: &str) {
        let path = format!("//*[self::button or self::a][normalize-space()='{text}']");
        let since = Instant::now();
        loop {
            // A page that is drawn anew takes what was found from under the finger.
            let pressed = self.find(&path).await.click().await;
            if pressed.is_ok() {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "{text} cannot be pressed: {pressed:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the page says this somewhere.
    pub async fn says(&self, text: &str) {
        let since = Instant::now();
        loop {
            let page = self.text().await;
            if page.contains(text) {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "the page does not say {text:?}:\n{page}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the page says the same for a while: what it asks of the service is answered.
    pub async fn settle(&self) {
        let since = Instant::now();
        let (mut before, mut same) = (self.text().await, 0);
        while same < 5 && since.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = self.text().await;
            same = if now == before { same + 1 } else { 0 };
            before = now;
        }
    }

    /// What the page says.
    pub async fn text(&self) -> String {
        let text = self.run("return document.body.innerText", vec![]).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Runs a script; the console's own pages let none in, the driver's is no part of them.
    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap()
    }

    /// Takes the theme that the button changes to, if it is not there already.
    pub async fn theme(&self, theme: &str) {
        let now = self.run("return document.documentElement.dataset.theme", vec![]).await;
        let button = "//button[starts-with(@aria-label, 'Change between')]";
        if now == theme {
            return;
        }
        // Nothing behind a dialog can be pressed.
        if self.shows(button).await && !self.shows("//dialog").await {
            self.find(button).await.click().await.unwrap();
        } else {
            // As for somebody whose system is so.
            let script = "document.documentElement.dataset.theme = arguments[0]";
            self.run(script, vec![theme.into()]).await;
        }
    }

    /// What axe has against the page, as lines: rule, element, why.
    pub async fn barriers(&self) -> Vec<String> {
        let axe = std::env::var("LIMEN_TEST_AXE").expect("LIMEN_TEST_AXE: as ./dev test sets it");
        let axe = std::fs::read_to_string(axe).expect("axe");
        self.run(&axe, vec![]).await;
        let script = "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']})\
            .then((found) => done(found.violations.flatMap((violation) => violation.nodes.map((node) =>\
            `${violation.id}: ${node.target.join(' ')}: ${node.failureSummary}`))), (error) => done([String(error)]));";
        let found = self.client.execute_async(script, vec![]).await.unwrap();
        serde_json::from_value(found).expect("lines")
    }

    /// How many pixels wider than the window the page is.
    pub async fn overhang(&self) -> i64 {
        let script =
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        self.run(script, vec![]).await.as_i64().unwrap()
    }

    /// Keeps a picture of the page, where somebody wants them: LIMEN_TEST_SCREENSHOTS names the folder.
    pub async fn picture(&self, name: &str) {
        if let Ok(folder) = std::env::var("LIMEN_TEST_SCREENSHOTS") {
            std::fs::create_dir_all(&folder).unwrap();
            let picture = self.client.screenshot().await.unwrap();
            std::fs::write(format!("{folder}/{name}.png"), picture).unwrap();
        }
    }

    /// Ends it.
    pub async fn close(mut self) {
        self.client.clone().close().await.ok();
        self.driver.session = None;
    }
}

/// What leads the browser. Ends with the browser, also where a test fails.
struct Driver {
    process: Child,
    port: u16,
    session: Option<String>,
}

impl Driver {
    fn start() -> Self {
        let driver = std::env::var("LIMEN_TEST_CHROMEDRIVER")
            .expect("LIMEN_TEST_CHROMEDRIVER: run these tests by `./dev test --test browser`");
        let mut process = Command::new(driver)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a driver");
        let output = process.stdout.take().expect("its output");
        let mut driver = Self { process, port: 0, session: None };
        let mut said = BufReader::new(output).lines().map_while(Result::ok);
        let port = said.by_ref().find_map(|line| {
            line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        driver.port = port.expect("the driver's port");
        // It must always find a reader, or it would stop.
        std::thread::spawn(move || said.for_each(drop));
        driver
    }

    /// Ends the browser: it would outlive a driver that is killed.
    fn quit(&self, session: &str) -> std::io::Result<()> {
        let mut line = TcpStream::connect(("127.0.0.1", self.port))?;
        line.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(line, "DELETE /session/{session} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
        line.read_to_end(&mut Vec::new()).map(drop)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.quit(&session).ok();
        }
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A film of one photo, as Chromium's camera plays it: JPEGs one after the other.
fn camera(photo: &str) -> tempfile::NamedTempFile {
    let photo = image::open(format!("{}/tests/fixtures/{photo}", env!("CARGO_MANIFEST_DIR")));
    let photo = photo.expect("a photo").resize(CAMERA.0, CAMERA.1, FilterType::Triangle).to_rgb8();
    let mut picture = RgbImage::from_pixel(CAMERA.0, CAMERA.1, image::Rgb([120, 120, 120]));
    let x = i64::from((CAMERA.0 - photo.width()) / 2);
    imageops::overlay(&mut picture, &photo, x, i64::from((CAMERA.1 - photo.height()) / 2));
    let mut jpeg = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
    let mut file = tempfile::Builder::new().suffix(".mjpeg").tempfile().unwrap();
    for _ in 0..4 {
        file.write_all(jpeg.get_ref()).unwrap();
    }
    file.flush().unwrap();
    file
}
